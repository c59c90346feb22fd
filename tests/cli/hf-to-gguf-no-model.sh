# The model's directory is asked for.
"$REPAQ" convert_hf_to_gguf --outtype f16
