# FP8 weights become floats, or with --fp8-as-q8 Q8_0, whatever the type; and the list of what is converted.
cp -r "$FIXTURES/fp8/fp8-block" Small
"$REPAQ" convert_hf_to_gguf Small --outfile a.gguf 2>/dev/null | grep -A9 "^type"
"$REPAQ" convert_hf_to_gguf Small --outfile b.gguf --outtype f32 --fp8-as-q8 2>/dev/null | grep -A9 "^type" | grep -v ^time
"$REPAQ" convert_hf_to_gguf --print-supported-models | head -4
