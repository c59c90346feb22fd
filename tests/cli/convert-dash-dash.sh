# After -- nothing is an option.
$MAKE awq src; "$REPAQ" convert --to gptq -- src -out >/dev/null; ls -A
