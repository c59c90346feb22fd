# --check and --write exclude each other.
"$REPAQ" index --check --write "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe
