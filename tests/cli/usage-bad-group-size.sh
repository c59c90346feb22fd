# A group size of 0.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out --to gptq --group-size 0
