# --exact accepts scales that F16 holds.
$MAKE msmodelslim src; "$REPAQ" convert src out --to awq --exact >/dev/null && "$REPAQ" verify src out --exact
