# Quantizing is not offered.
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to awq
