# What is no type, pattern or pair is named.
for words in "m.gguf o.gguf Q9_K" "m.gguf Q4_0 x" "--tensor-type a=q9_9 m.gguf Q4_0" "--tensor-type a=i8 m.gguf Q4_0" "--tensor-type a(=q8_0 m.gguf Q4_0" \
    "--override-kv a=b m.gguf Q4_0" "--override-kv a=bool:yes m.gguf Q4_0" "--output-tensor-type q8_K m.gguf Q4_0" "m.gguf" "m.gguf o.gguf NVFP4" "--tensor-type q8_0 m.gguf Q4_0"; do
    "$REPAQ" llama-quantize $words; echo "exit $?"
done
# More threads than there can be are as many as there can be; an architecture needs its keys, and shards are counted by nobody else.
cp "$FIXTURES"/gguf/gqa2-3/gqa2-3.gguf m.gguf; "$REPAQ" llama-quantize m.gguf t.gguf Q4_0 5000 | grep -v ^time; for pair in general.architecture=str:llama split.count=int:3; do
    "$REPAQ" llama-quantize --override-kv $pair m.gguf u.gguf Q4_0; echo "exit $?"
done
