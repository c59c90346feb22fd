# A stale quantize_config.json wins in GPTQModel, and is found for the others as well.
cp -r "$FIXTURES/gptq/gptq-qwen2-4bit-g128-sym" m
printf "{\"quant_method\": \"gptq\", \"bits\": 8, \"group_size\": 128}" > m/quantize_config.json
"$REPAQ" check m --for gptqmodel
"$REPAQ" check m --for vllm
