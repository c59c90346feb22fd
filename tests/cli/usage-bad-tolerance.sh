# A tolerance below zero.
"$REPAQ" verify "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe --tolerance -1
