# A format that the engine does not load.
"$REPAQ" check "$FIXTURES/awq/awq-qwen2-4bit-g128" --for vllm-ascend
