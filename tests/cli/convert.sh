# A conversion, its summary and its files.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out --to awq
ls -A . out
