# DST inside SRC would write to the input.
$MAKE awq src; "$REPAQ" convert src src/out --to gptq; code=$?; ls -A src; exit $code
