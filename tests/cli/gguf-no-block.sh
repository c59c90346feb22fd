# A refusal says what no block holds: biases, zeros or scales, and --tensor-type takes the tensor that it names.
$MAKE edited bias "$FIXTURES/mlx/mlx-qwen2-4bit-g64" model.layers.1.mlp.up_proj.biases=2f
$MAKE edited zero "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" model.layers.1.mlp.up_proj.weight_offset=3f
$MAKE edited scale "$FIXTURES/compressed_tensors/ct-qwen2-w4a16-awq-g64-asym" model.layers.1.mlp.up_proj.weight_scale=2f
for source in bias zero scale; do
    "$REPAQ" convert "$source" "$source.gguf" --to gguf --base "$FIXTURES/awq/awq-qwen2-4bit-g128"; echo "exit $?"
    "$REPAQ" convert "$source" "$source.gguf" --to gguf --base "$FIXTURES/awq/awq-qwen2-4bit-g128" --tensor-type blk.1.ffn_up.weight=F32 --verify | grep verified
done
