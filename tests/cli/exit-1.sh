# The checkpoints differ.
$MAKE awq a; $MAKE awq b flip; "$REPAQ" verify a b >/dev/null
