# An index that fits.
$MAKE sharded src
python3 - <<'END'
import json, sys
path = "src/model.safetensors.index.json"
index = json.load(open(path))
pass
json.dump(index, open(path, "w"))
END
"$REPAQ" index src --check; echo "check: $?"
"$REPAQ" index src --write; echo "write: $?"
"$REPAQ" index src; ls -A src
