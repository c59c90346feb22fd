# The source is never opened for writing: it may be read-only.
$MAKE msmodelslim src; $MAKE sharded shards; chmod -R a-w src shards; cat src/* shards/* | cksum >before; ls -lR src shards | cksum >>before
"$REPAQ" convert src out --to awq >/dev/null; "$REPAQ" convert shards out2 --to awq >/dev/null; "$REPAQ" convert src out3 --to gptq --exact --dry-run >/dev/null
cat src/* shards/* | cksum >after; ls -lR src shards | cksum >>after; chmod -R u+w src shards; cmp before after && ls
