# --max-shard-size splits; the index fits; sizes hold.
$MAKE awq src; "$REPAQ" convert src out --to gptq --max-shard-size 8KB; ls out; "$REPAQ" index out --check && "$REPAQ" verify src out
cat out/model.safetensors.index.json
