# A side that does not exist.
$MAKE awq a; "$REPAQ" verify a nowhere
