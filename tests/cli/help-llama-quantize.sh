# The options of llama-quantize.
"$REPAQ" help llama-quantize
