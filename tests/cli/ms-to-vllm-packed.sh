# Packed int4 is recognised.
$MAKE packed src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json >/dev/null; $MAKE msmodelslim other; "$REPAQ" ms_to_vllm --model other/quant_model_weight_w4a16.safetensors --json other/quant_model_description_w4a16.json --save_path other.safetensors >/dev/null; cmp res.safetensors other.safetensors
