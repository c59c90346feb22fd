# An option of older converters is exit 5, with a remedy.
"$REPAQ" convert_hf_to_gguf in --awq-path x
