# The target cannot hold it.
$MAKE w8a16 src; "$REPAQ" convert src out --to awq; code=$?; ls; exit $code
