# verify needs two.
"$REPAQ" verify "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe
