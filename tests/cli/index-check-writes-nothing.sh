# --check leaves the directory alone.
$MAKE sharded src; sed -i s/lm_head.weight/lm_head.gone/ src/model.safetensors.index.json; cp -r src before; "$REPAQ" index src --check >/dev/null; diff -r src before && ls -A
