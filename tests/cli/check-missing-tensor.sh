# A description entry without its tensor.
"$REPAQ" check "$FIXTURES/msmodelslim/synth-edge-desc-mismatch" --for vllm-ascend
