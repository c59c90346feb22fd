# The parent of DST must exist.
$MAKE awq src; "$REPAQ" convert src no/out --to gptq; code=$?; ls; exit $code
