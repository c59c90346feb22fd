# target_tool is awq or gptq.
$MAKE msmodelslim src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json --target_tool marlin
