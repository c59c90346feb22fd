# The options of convert_hf_to_gguf.
"$REPAQ" help convert_hf_to_gguf
