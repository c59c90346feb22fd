# Quantizing is not offered, by --bits either.
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to hf --bits 4
