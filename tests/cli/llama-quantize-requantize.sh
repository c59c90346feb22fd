# Blocks are rounded anew only where it is allowed.
cp "$FIXTURES"/gguf/gqa2-3/*.gguf m.gguf; "$REPAQ" llama-quantize m.gguf q.gguf Q8_0 >/dev/null
"$REPAQ" llama-quantize --allow-requantize q.gguf r.gguf Q4_0 | grep tensor; "$REPAQ" llama-quantize q.gguf s.gguf Q4_0
