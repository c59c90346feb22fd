# The output file is overwritten.
$MAKE msmodelslim src; echo old >res.safetensors; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json >/dev/null; head -c 4 res.safetensors | od -An -c >/dev/null; test $(wc -c <res.safetensors) -gt 100 && ls -A
