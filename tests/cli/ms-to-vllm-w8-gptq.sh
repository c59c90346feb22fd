# W8A16 with w_bit 8 into gptq.
$MAKE w8a16 src; "$REPAQ" ms_to_vllm --model src/quant_model_weight_w4a16.safetensors --json src/quant_model_description_w4a16.json --w_bit 8 --target_tool gptq >/dev/null; python3 - <<'END'
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["TESTS"] + "/malformed")
import checkpoint
for name, (dtype, shape, _) in sorted(checkpoint.read_tensors("res.safetensors").items()):
    print(name, dtype, shape)
END
