# A directory without weights.
mkdir m
"$REPAQ" check m --for vllm
