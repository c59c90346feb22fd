# gptq_v2 -> awq -> gptq_v2 gives the weight file back.
$MAKE gptq_v2 src asym; "$REPAQ" convert src a --to awq >/dev/null && "$REPAQ" convert a b --to gptq_v2 >/dev/null && "$REPAQ" verify --exact src b && "$REPAQ" convert b c --to awq >/dev/null && cmp a/model.safetensors c/model.safetensors
