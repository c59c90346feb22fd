# The tolerance is relative to the largest value of the tensor, also where that one is equal.
python3 - <<'END'
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["TESTS"] + "/malformed")
import checkpoint
for name, values in (("a", [100.0, 2.0, 4.0]), ("b", [100.0, 2.0, 4.5])):
    os.mkdir(name)
    checkpoint.write_json(name + "/config.json", checkpoint.CONFIG)
    checkpoint.write_tensors(name + "/model.safetensors", {"model.norm.weight": ["F32", [3], checkpoint.f32(values)]})
END
"$REPAQ" verify a b --tolerance 0.01
