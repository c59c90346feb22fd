# Rounding for an engine takes a group size of the engine's: vLLM Ascend has per channel only, and no kernels for 4 bits; mlx-lm reads one of 32.
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded ascend --to msmodelslim --bits 8 --for vllm-ascend --dry-run | grep 'layers.0.mlp.down_proj.weight_scale'
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded mlx --to compressed-tensors --bits 4 --for mlx --dry-run | grep 'layers.0.mlp.down_proj.weight_scale'
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded vllm --to gptq --bits 4 --for vllm --dry-run | grep 'layers.0.mlp.down_proj.scales'
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to msmodelslim --bits 4 --for vllm-ascend
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to msmodelslim --bits 8 --group-size 32 --for vllm-ascend
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to compressed-tensors --bits 4 --for vllm-ascend
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to gptq_v2 --bits 4 --asym --for vllm
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to gptq_v2 --bits 5
