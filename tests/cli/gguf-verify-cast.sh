# Blocks that become narrower floats are compared with what they round to; another value is a difference.
"$REPAQ" convert "$FIXTURES/gguf/gqa2-3/gqa2-3.gguf" q.gguf --to gguf --type Q6_K --verify | grep -v ^time
"$REPAQ" convert q.gguf floats --to hf --dtype bf16 --verify | grep -v ^time
"$REPAQ" verify floats q.gguf
"$REPAQ" verify q.gguf "$FIXTURES/gguf/gqa2-3/gqa2-3.gguf"; echo "exit $?"
