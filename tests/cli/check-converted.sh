# What convert writes is accepted.
"$REPAQ" convert "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" awq --to awq >out
"$REPAQ" convert "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" gptq --to gptq >out
"$REPAQ" check awq --for autoawq && "$REPAQ" check awq --for transformers && "$REPAQ" check gptq --for gptqmodel
"$REPAQ" check gptq --for transformers
