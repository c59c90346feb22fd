# What a checkpoint is.
"$REPAQ" inspect "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe
