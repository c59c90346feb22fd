# msModelSlim W4A16 has no kernel in vLLM Ascend; MindIE has.
"$REPAQ" check "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" --for vllm-ascend
"$REPAQ" check "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" --for mindie
