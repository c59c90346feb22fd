# One argument too many.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out more --to awq
