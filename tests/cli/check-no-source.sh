# No SRC.
"$REPAQ" check --for vllm
