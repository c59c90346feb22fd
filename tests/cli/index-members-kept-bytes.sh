# Other members keep their bytes.
$MAKE sharded src; sed -i 's/"metadata": {/"metadata": {"note":   1.50, /' src/model.safetensors.index.json; sed -i s/lm_head.weight/lm_head.gone/ src/model.safetensors.index.json; "$REPAQ" index src --write; cat src/model.safetensors.index.json
