# A float checkpoint into one dtype.
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to hf --dtype f32; ls out; grep dtype out/config.json; "$REPAQ" verify "$FIXTURES"/hf/tiny-float-sharded out
