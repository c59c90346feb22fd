# One scale differs.
$MAKE awq a; $MAKE awq b scale; "$REPAQ" verify a b
