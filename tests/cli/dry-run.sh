# --dry-run prints the plan and writes nothing.
$MAKE msmodelslim src rounded; "$REPAQ" convert src out --to awq --dry-run; ls -A
