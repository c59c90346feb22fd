# Doubled braces in the name stand for one, as in the original's templates.
cp -r "$FIXTURES/hf/tiny-float-sharded" m; "$REPAQ" convert_hf_to_gguf m --outfile "m-{{x}}-{ftype}.gguf" --outtype f32 >/dev/null 2>&1; ls *.gguf
