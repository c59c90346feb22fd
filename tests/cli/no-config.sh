# No config.json and no --base.
$MAKE msmodelslim src; rm src/config.json; "$REPAQ" convert src out --to awq; code=$?; ls; exit $code
