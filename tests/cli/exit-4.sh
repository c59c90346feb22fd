# A corrupt input.
"$REPAQ" convert "$FIXTURES"/msmodelslim/synth-edge-truncated-shard out --to awq
