# A tensor in two shards: no index can be right.
$MAKE sharded src
python3 - <<'END'
import os, sys
sys.path.insert(0, os.environ["TESTS"] + "/malformed")
sys.dont_write_bytecode = True
import checkpoint
a, b = ("src/model-0000%d-of-00002.safetensors" % i for i in (1, 2))
first = checkpoint.read_tensors(a)
first["lm_head.weight"] = checkpoint.read_tensors(b)["lm_head.weight"]
checkpoint.write_tensors(a, first)
END
cp src/model.safetensors.index.json before
"$REPAQ" index src; echo "check: $?"; "$REPAQ" index src --write; echo "write: $?"; cmp before src/model.safetensors.index.json
