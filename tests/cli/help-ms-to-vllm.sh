# The options of ms_to_vllm.
"$REPAQ" help ms_to_vllm
