# A module of which no tensor is there is no error of any format: every conversion names it.
$MAKE without src "$FIXTURES/gptq/gptq-qwen2-4bit-g128-sym" model.layers.0.mlp.down_proj
"$REPAQ" convert src out --to awq
"$REPAQ" convert src out.gguf --to gguf --base "$FIXTURES/gptq/gptq-qwen2-4bit-g128-sym"
"$REPAQ" convert_hf_to_gguf src --outfile upstream.gguf --dry-run > /dev/null
"$REPAQ" convert src json --to hf --dry-run --json | grep -A1 '"warnings"'
$MAKE gguf file -blk.0.ffn_down.weight
"$REPAQ" convert file/m.gguf hf --to hf
# Nothing is asked of one shard alone.
"$REPAQ" convert "$FIXTURES/hf/tiny-float-sharded/model-00001-of-00002.safetensors" part --to hf
