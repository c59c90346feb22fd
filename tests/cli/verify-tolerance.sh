# Within the tolerance.
$MAKE awq a; $MAKE awq b scale; "$REPAQ" verify a b --tolerance 1
