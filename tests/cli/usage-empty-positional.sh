# An empty DST, as from an unset variable.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe "" --to awq
