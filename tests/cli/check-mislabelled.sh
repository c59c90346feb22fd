# v2 zeros under the label of v1.
cp -r "$FIXTURES/gptq/gptq-qwen2-4bit-g128-sym" m
sed -i "s/\"\(checkpoint_format\|format\)\": \"gptq\"/\"\1\": \"gptq_v2\"/" m/config.json m/quantize_config.json
"$REPAQ" check m --for vllm
