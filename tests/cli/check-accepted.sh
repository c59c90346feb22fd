# Warnings alone are accepted.
"$REPAQ" check "$FIXTURES/gptq/gptq-qwen2-4bit-g128-sym" --for vllm
