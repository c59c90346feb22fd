# A parent that is no directory.
$MAKE awq src; touch no; "$REPAQ" convert src no/out --to gptq
