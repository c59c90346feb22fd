# A checkpoint equals itself.
$MAKE packed a asym; "$REPAQ" verify a a --exact
