# Quantized weights become floats of config.json's dtype.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out --to hf --verify | sed '/^time/d'; ls out; grep dtype out/config.json
