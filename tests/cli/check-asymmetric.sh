# Asymmetric GPTQ: refused by current vLLM.
"$REPAQ" check "$FIXTURES/gptq_v2/gptqv2-qwen2-4bit-g64-asym" --for=vllm
