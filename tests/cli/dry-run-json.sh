# The plan as JSON.
$MAKE awq src; "$REPAQ" convert src out --to gptq --dry-run --json; ls -A
