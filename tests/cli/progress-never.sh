# No progress without a terminal.
$MAKE awq src; "$REPAQ" convert src out --to gptq >/dev/null; "$REPAQ" convert src out2 --to gptq --progress never >/dev/null
