# SRC may be one file beside its description.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe/quant_model_weight_w4a16.safetensors out --to awq >/dev/null && "$REPAQ" verify "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out
