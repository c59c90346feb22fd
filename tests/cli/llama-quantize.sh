# One layer's types of a mix, an output beside the input, a link of the name, and a copy.
cp "$FIXTURES"/gguf/gqa2-3/*.gguf m.gguf; "$REPAQ" llama-quantize --dry-run m.gguf q4_k_m | grep -E "blk.0|output|embd"
ln -s "$REPAQ" llama-quantize; ./llama-quantize m.gguf 15 2 | grep -E "^(written|tensors)"; ls *.gguf
"$REPAQ" llama-quantize ggml-model-Q4_K_M.gguf c.gguf COPY >/dev/null; cmp c.gguf ggml-model-Q4_K_M.gguf && echo same
"$REPAQ" convert m.gguf d.gguf --to gguf --type Q4_K_M >/dev/null; cmp c.gguf d.gguf && echo same
