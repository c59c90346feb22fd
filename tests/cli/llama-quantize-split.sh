# --keep-split writes as many shards as the source has; a set in one file is what the whole file gives.
G="$FIXTURES/gguf/gqa2-3/gqa2-3.gguf"
"$REPAQ" convert "$G" s.gguf --to gguf --max-shard-size 16KB >/dev/null
"$REPAQ" llama-quantize --keep-split s-00001-of-00003.gguf k.gguf Q8_0 | sed -n 2p; ls k-*
"$REPAQ" llama-quantize s-00001-of-00003.gguf whole.gguf Q8_0 >/dev/null; "$REPAQ" llama-quantize "$G" direct.gguf Q8_0 >/dev/null
cmp whole.gguf direct.gguf && "$REPAQ" verify k-00002-of-00003.gguf whole.gguf
# Its names are llama-quantize's, whose suffix is cut from any name that has it.
for name in a.gguf.bin b.bin .gguf c.gguf.gguf; do "$REPAQ" llama-quantize --keep-split s-00001-of-00003.gguf $name Q8_0 >/dev/null; done; ls -A | grep -v "^[skwd]"
