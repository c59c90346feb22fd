# A dangling link as DST is an existing DST too.
$MAKE awq src; ln -s nowhere out; "$REPAQ" convert src out --to gptq; code=$?; readlink out; exit $code
