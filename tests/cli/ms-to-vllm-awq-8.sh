# awq has no 8 bits.
$MAKE w8a16 src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json --w_bit 8; code=$?; ls -A; exit $code
