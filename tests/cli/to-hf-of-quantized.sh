# This version does not dequantize.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out --to hf; code=$?; ls; exit $code
