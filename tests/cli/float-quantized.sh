# A float source is rounded to nearest where --bits asks for it, and only there.
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded plain --to awq; code=$?
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to compressed-tensors --bits 4 --group-size 32 --asym --dtype f16 --verify | sed '/^time/d'
"$REPAQ" verify "$FIXTURES"/hf/tiny-float-sharded out --tolerance 0.1; "$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded no --to mlx --bits 9; ls; exit $code
