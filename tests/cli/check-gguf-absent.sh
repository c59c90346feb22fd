# What an architecture asks for: tensors, keys, a pre-tokenizer that llama.cpp has.
$MAKE gguf m qwen2 -blk.1.ffn_up.weight -qwen2.block_count; "$REPAQ" check m --for llama.cpp; echo "exit $?"
$MAKE gguf n qwen2 -blk.1.ffn_up.weight pre; "$REPAQ" check n --for llama.cpp; echo "exit $?"
