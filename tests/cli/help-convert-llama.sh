# The options of convert_llama_weights_to_hf.
"$REPAQ" help convert_llama_weights_to_hf
