# Progress that cannot be written does not stop a conversion.
$MAKE awq src; "$REPAQ" convert src out --to gptq --progress json 2>/dev/full >/dev/null && ls out
