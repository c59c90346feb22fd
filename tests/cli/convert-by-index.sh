# SRC may be an index.
$MAKE sharded src; "$REPAQ" convert src/model.safetensors.index.json out --to awq >/dev/null && "$REPAQ" verify src out; ls out
