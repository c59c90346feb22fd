# Several shards and no index: --write makes one.
$MAKE sharded src; cp src/model.safetensors.index.json before; rm src/model.safetensors.index.json; "$REPAQ" index src; echo "check: $?"; "$REPAQ" index src --write; cat src/model.safetensors.index.json
