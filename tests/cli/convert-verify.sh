# --verify reads the result back before it is put in place.
$MAKE msmodelslim src rounded; "$REPAQ" convert src out --to awq --verify
