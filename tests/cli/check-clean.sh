# Nothing to say.
"$REPAQ" check "$FIXTURES/gptq_v2/gptqv2-qwen2-4bit-g64-asym" --for gptqmodel
