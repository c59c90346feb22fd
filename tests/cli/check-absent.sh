# SRC does not exist.
"$REPAQ" check nothing --for vllm
