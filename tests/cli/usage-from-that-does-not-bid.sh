# --from chooses among the formats that the files allow.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w4a16-g32-sym-zeros-safe out --to awq --from gptq
