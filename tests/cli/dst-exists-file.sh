# A file as DST is an existing DST too.
$MAKE awq src; echo mine >out; "$REPAQ" convert src out --to gptq; code=$?; cat out; exit $code
