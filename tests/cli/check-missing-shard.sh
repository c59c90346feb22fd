# A missing shard is a finding, not an error.
"$REPAQ" check "$FIXTURES/msmodelslim/synth-edge-missing-shard" --for mindie
