# Finer groups on request hold the same values.
$MAKE msmodelslim src asym; "$REPAQ" convert src out --to awq --group-size 16 >/dev/null && "$REPAQ" verify src out
