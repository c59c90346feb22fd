# A listed tensor that no shard holds.
$MAKE sharded src
python3 - <<'END'
import json, sys
path = "src/model.safetensors.index.json"
index = json.load(open(path))
index["weight_map"]["model.ghost.weight"] = "model-00001-of-00002.safetensors"
json.dump(index, open(path, "w"))
END
"$REPAQ" index src --check; echo "check: $?"
"$REPAQ" index src --write; echo "write: $?"
"$REPAQ" index src; ls -A src
