# index as JSON.
$MAKE sharded src; "$REPAQ" index src --json
