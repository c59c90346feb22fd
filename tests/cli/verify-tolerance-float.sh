# A float tensor within the tolerance.
python3 - <<'END'
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["TESTS"] + "/malformed")
import checkpoint
for name, values in (("a", [1.0, 2.0, 4.0]), ("b", [1.0, 2.0, 4.25])):
    os.mkdir(name)
    checkpoint.write_json(name + "/config.json", checkpoint.CONFIG)
    checkpoint.write_tensors(name + "/model.safetensors", {"model.norm.weight": ["F32", [3], checkpoint.f32(values)]})
END
"$REPAQ" verify a b --tolerance 0.1
