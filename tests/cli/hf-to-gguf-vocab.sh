# --vocab-only: a file of metadata and tokenizer, made of a directory that has no weights.
F="$FIXTURES/msmodelslim/ms-llama-w8a8-static-safe"; mkdir Tiny; cp "$F/config.json" "$F"/tokenizer* Tiny
"$REPAQ" convert_hf_to_gguf Tiny --vocab-only | head -3; ls Tiny/*.gguf; head -c 4 Tiny/*.gguf; echo; "$REPAQ" inspect Tiny/*.gguf
"$REPAQ" convert_hf_to_gguf Tiny --vocab-only --outfile "v.{ftype}.gguf" --outtype q8_0 --bigendian >/dev/null; ls v*
rm Tiny/config.json Tiny/*.gguf; "$REPAQ" convert_hf_to_gguf Tiny --vocab-only --outfile n.gguf; echo "exit $?"; ls
