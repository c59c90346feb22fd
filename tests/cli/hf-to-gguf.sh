# By the original's name, as a link; the file in a directory has the model's own name, and one that is there is replaced.
cp -r "$FIXTURES/hf/tiny-float-sharded" Tiny-Chat-v2; mkdir out; ln -s "$REPAQ" convert.py
./convert.py Tiny-Chat-v2 --outfile out >/dev/null; ./convert.py Tiny-Chat-v2 --outfile out | tail -3; ls out
"$REPAQ" convert_hf_to_gguf Tiny-Chat-v2 --outfile "m-{ftype}-{FTYPE}.gguf" --outtype q8_0 --verify >/dev/null; ls *.gguf; "$REPAQ" inspect m-*.gguf | head -3
