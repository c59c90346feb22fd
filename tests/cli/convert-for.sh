# --for makes the plan obey an engine, and what is written is held against its rules before it is put in place.
"$REPAQ" convert "$FIXTURES"/gptq_v2/gptqv2-qwen2-4bit-g64-asym vllm --to gptq_v2 --for vllm
"$REPAQ" convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym ascend --to compressed-tensors --for vllm-ascend
"$REPAQ" convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym mlx --to msmodelslim --for mlx
"$REPAQ" convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym who --to awq --for nobody
"$REPAQ" convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym out --to awq --for vllm | sed '/^time/d'; "$REPAQ" check out --for vllm; ls
