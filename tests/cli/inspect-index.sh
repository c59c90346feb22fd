# SRC may be an index.
$MAKE sharded src; "$REPAQ" inspect src/model.safetensors.index.json
