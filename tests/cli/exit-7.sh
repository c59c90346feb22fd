# Below the smallest memory.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out --to awq --memory 1MiB
