# A weight that only one of them has.
$MAKE sharded a; cp -r a b; rm b/model-00001-of-00002.safetensors b/model.safetensors.index.json; mv b/model-00002-of-00002.safetensors b/model.safetensors; "$REPAQ" verify a b
