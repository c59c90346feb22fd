# Every number in the other byte order, those inside blocks as well; read, it is the little-endian file again.
G="$FIXTURES/gguf/gqa2-3/gqa2-3.gguf"
"$REPAQ" convert "$G" q.gguf --to gguf --type Q5_K >/dev/null
"$REPAQ" convert q.gguf be.gguf --to gguf --bigendian --verify | grep -v ^time; od -A n -t x1 -N 8 be.gguf
"$REPAQ" convert be.gguf le.gguf --to gguf --verify | grep -v ^time; cmp le.gguf q.gguf && echo "the same file"
"$REPAQ" convert be.gguf floats --to hf >/dev/null; "$REPAQ" convert q.gguf expected --to hf >/dev/null; cmp floats/model.safetensors expected/model.safetensors && echo "the same floats"
"$REPAQ" convert be.gguf x --to hf --bigendian; echo "exit $?"
