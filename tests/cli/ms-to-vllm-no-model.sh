# --model is needed.
"$REPAQ" ms_to_vllm --json x
