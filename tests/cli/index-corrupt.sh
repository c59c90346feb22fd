# A shard that cannot be read.
$MAKE sharded src; head -c 100 src/model-00001-of-00002.safetensors >x; mv x src/model-00001-of-00002.safetensors; "$REPAQ" index src
