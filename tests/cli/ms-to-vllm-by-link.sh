# A symbolic link of that name is the command.
$MAKE msmodelslim src; ln -s "$REPAQ" ms_to_vllm; ln -s "$REPAQ" ms_to_vllm.py; for name in ms_to_vllm ms_to_vllm.py; do ./$name --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json --save_path $name.safetensors >/dev/null; done; cmp ms_to_vllm.safetensors ms_to_vllm.py.safetensors; ls -A
