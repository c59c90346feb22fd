# SRC is never written to.
$MAKE awq src; "$REPAQ" convert src src --to gptq --force; code=$?; ls src; exit $code
