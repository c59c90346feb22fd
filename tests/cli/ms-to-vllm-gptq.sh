# gptq, without g_idx.
$MAKE msmodelslim src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json --target_tool gptq --save_path there.safetensors; ls -A
python3 - <<'END'
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["TESTS"] + "/malformed")
import checkpoint
for name, (dtype, shape, _) in sorted(checkpoint.read_tensors("there.safetensors").items()):
    print(name, dtype, shape)
END
