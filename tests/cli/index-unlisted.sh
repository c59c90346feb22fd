# A tensor that the index does not list.
$MAKE sharded src
python3 - <<'END'
import json, sys
path = "src/model.safetensors.index.json"
index = json.load(open(path))
del index["weight_map"]["lm_head.weight"]
json.dump(index, open(path, "w"))
END
"$REPAQ" index src --check; echo "check: $?"
"$REPAQ" index src --write; echo "write: $?"
"$REPAQ" index src; ls -A src
