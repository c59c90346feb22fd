# A directory as --model: use convert.
$MAKE msmodelslim src; "$REPAQ" ms_to_vllm --model src --json src/quant_model_description_w4a16.json
