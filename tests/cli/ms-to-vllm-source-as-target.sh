# The input is never overwritten.
$MAKE msmodelslim src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json --save_path src/quant_model_weight_w4a16.safetensors; code=$?; "$REPAQ" inspect src >/dev/null && exit $code
