# inspect as JSON.
$MAKE packed src; "$REPAQ" inspect src --tensors --json
