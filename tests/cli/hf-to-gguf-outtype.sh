# --outtype takes the original's names.
"$REPAQ" convert_hf_to_gguf in --outtype int4
