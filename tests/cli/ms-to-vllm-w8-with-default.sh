# W8A16 with the default w_bit 4 is refused, not clamped.
$MAKE w8a16 src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json; code=$?; ls -A; exit $code
