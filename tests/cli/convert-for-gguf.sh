# --for holds the written file against the engine as well; a type that it has no kernels for is refused.
$MAKE gguf m
"$REPAQ" convert m/m.gguf n.gguf --to gguf --for llama.cpp --type Q8_0 | head -2
"$REPAQ" convert m/m.gguf o.gguf --to gguf --for vllm --type Q8_0 --tensor-type attn_q=mxfp4; echo "exit $?"; ls
