# Layers that are left out are named as dropped, and the others move up.
G="$FIXTURES/gguf/gqa2-3/gqa2-3.gguf"
"$REPAQ" llama-quantize --prune-layers 1 "$G" p.gguf Q8_0 | grep -v ^time; "$REPAQ" inspect p.gguf --tensors | grep -c "blk.1"
for layers in 1,x 7 "" 1,; do "$REPAQ" llama-quantize --prune-layers "$layers" "$G" none.gguf Q8_0; echo "exit $?"; done; ls
# Given again, it adds layers.
"$REPAQ" llama-quantize --prune-layers 0 --prune-layers 1 "$G" both.gguf Q8_0 >/dev/null; "$REPAQ" llama-quantize --prune-layers 0,1 "$G" same.gguf Q8_0 >/dev/null
cmp both.gguf same.gguf && "$REPAQ" inspect both.gguf --tensors | grep -c "blk"
