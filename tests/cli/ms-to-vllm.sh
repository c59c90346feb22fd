# The defaults: awq, 4 bits, ./res.safetensors, scales in their own dtype.
$MAKE msmodelslim src asym; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json; ls -A
python3 - <<'END'
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["TESTS"] + "/malformed")
import checkpoint
for name, (dtype, shape, _) in sorted(checkpoint.read_tensors("res.safetensors").items()):
    print(name, dtype, shape)
END
