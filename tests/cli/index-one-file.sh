# One file needs no index.
$MAKE awq src; "$REPAQ" index src
