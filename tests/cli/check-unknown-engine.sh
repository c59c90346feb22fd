# An unknown engine.
"$REPAQ" check "$FIXTURES/awq/awq-qwen2-4bit-g128" --for exllama
