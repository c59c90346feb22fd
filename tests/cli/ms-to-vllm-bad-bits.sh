# w_bit is 4 or 8.
$MAKE msmodelslim src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json --w_bit 3
