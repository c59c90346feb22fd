# msModelSlim W4A16 has no kernel in vLLM Ascend; MindIE has.
"$REPAQ" check "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" --for vllm-ascend
"$REPAQ" check "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" --for mindie
up=model.layers.0.mlp.up_proj
$MAKE edited side "$FIXTURES/msmodelslim/ms-llama-w8a8-static-safe" -$up.input_offset $up.deq_scale~
"$REPAQ" check side --for vllm-ascend
