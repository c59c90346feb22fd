# After -- nothing is an option.
$MAKE awq -- 2>/dev/null || $MAKE awq src; "$REPAQ" convert --to gptq -- src -out >/dev/null; ls -A
