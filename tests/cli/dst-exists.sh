# An existing DST is an error without --force.
$MAKE awq src; mkdir out; touch out/mine; "$REPAQ" convert src out --to gptq; code=$?; ls -A . out; exit $code
