# --exact refuses rounded scales.
$MAKE msmodelslim src rounded; "$REPAQ" convert src out --to awq --exact; code=$?; ls; exit $code
