# Without --max-shard-size there is one output shard for each source shard.
$MAKE sharded src; "$REPAQ" convert src out --to awq >/dev/null; ls out; "$REPAQ" index out; "$REPAQ" verify src out
