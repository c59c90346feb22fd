# Engines that read no sets of GGUF files, and none in the other byte order, get none: said before anything is written.
"$REPAQ" convert "$FIXTURES/hf/tiny-float-sharded" out --to gguf --type F16 --for ollama --max-shard-size 4KB; echo "$?"
"$REPAQ" convert "$FIXTURES/hf/tiny-float-sharded" out --to gguf --type F16 --for vllm --bigendian; echo "$?"
ls
