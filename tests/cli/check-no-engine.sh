# No engine.
"$REPAQ" check "$FIXTURES/awq/awq-qwen2-4bit-g128"
