# The manifest names source, class and hash, and nothing of this run.
$MAKE msmodelslim src; "$REPAQ" convert src out --to awq --threads 1 >/dev/null; cat out/repaq-manifest.json; grep -c "$PWD" out/repaq-manifest.json
