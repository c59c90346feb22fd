# A truncated file whose header can be parsed is a finding.
"$REPAQ" check "$FIXTURES/msmodelslim/synth-edge-truncated-shard" --for mindie
