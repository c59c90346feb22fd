# One weight file: what lies elsewhere is not asked for.
"$REPAQ" check "$FIXTURES/awq/awq-qwen2-4bit-g128/model.safetensors" --for autoawq
