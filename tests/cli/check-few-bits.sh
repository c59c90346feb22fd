# FP8, bitsandbytes and MXFP4: a scale or code that is NaN, and a side tensor that is not there.
mlp=model.layers.0.mlp
$MAKE edited a "$FIXTURES/fp8/fp8-block" $mlp.up_proj.weight_scale_inv=ff; "$REPAQ" check a --for vllm
$MAKE edited b "$FIXTURES/fp8/fp8-channel" $mlp.up_proj.weight=7f -$mlp.gate_proj.weight_scale; "$REPAQ" check b --for vllm
$MAKE edited c "$FIXTURES/mxfp4/mxfp4-experts" $mlp.experts.down_proj_scales=ff; "$REPAQ" check c --for transformers
$MAKE edited d "$FIXTURES/mxfp4/mxfp4-experts" -$mlp.experts.down_proj_scales; "$REPAQ" check d --for mlx
$MAKE edited e "$FIXTURES/bitsandbytes/bnb-int8" -$mlp.down_proj.SCB $mlp.up_proj.SCB=7f; "$REPAQ" check e --for transformers
q=model.layers.0.self_attn.q_proj.weight
$MAKE edited f "$FIXTURES/bitsandbytes/bnb-qwen2-nf4-double" $q.nested_absmax=ff; "$REPAQ" check f --for vllm
$MAKE edited g "$FIXTURES/bitsandbytes/bnb-qwen2-nf4-double" -$q.nested_absmax -$q.quant_map; "$REPAQ" check g --for vllm
$MAKE edited h "$FIXTURES/fp8/fp8-tensor" $mlp.up_proj.weight=7f model.layers.0.self_attn.k_proj.weight~ -model.layers.0.self_attn.k_proj.weight_scale
"$REPAQ" check h --for vllm
