# Other members are kept by --write.
$MAKE sharded src
python3 - <<'END'
import json, sys
path = "src/model.safetensors.index.json"
index = json.load(open(path))
index["metadata"]["total_parameters"] = 17; index["extra"] = [1.0, "x"]; del index["weight_map"]["lm_head.weight"]
json.dump(index, open(path, "w"))
END
"$REPAQ" index src --check; echo "check: $?"
"$REPAQ" index src --write; echo "write: $?"
"$REPAQ" index src; ls -A src
