# Values that F16 cannot tell from 0 are counted, in text, --json and the manifest.
mkdir SRC && echo '{"model_type": "llama", "torch_dtype": "float32"}' > SRC/config.json
python3 - <<'PY'
import json, struct
body = struct.pack("<4f", 1.0, 1e-9, -1e-10, 0.1)
header = json.dumps({"model.norm.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
header += b" " * (-len(header) % 8)
open("SRC/model.safetensors", "wb").write(struct.pack("<Q", len(header)) + header + body)
PY
"$REPAQ" convert SRC DST --to hf --dtype f16 | grep -A1 rounding
"$REPAQ" convert SRC DST2 --to hf --dtype f16 --json | grep -E '"rounding"|zeroed'
grep zeroed DST/repaq-manifest.json
