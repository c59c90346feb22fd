# Static and dynamic activations are no difference of rounding; a weight-only format has none to compare.
$MAKE products a; "$REPAQ" convert a ct --to compressed-tensors > /dev/null
cp -r ct dynamic
python3 - <<'PY'
import json, pathlib, struct, sys
path = pathlib.Path("dynamic/config.json")
config = json.loads(path.read_text())
for group in config["quantization_config"]["config_groups"].values():
    group["input_activations"].update(dynamic=True, strategy="token", symmetric=True)
path.write_text(json.dumps(config))
raw = pathlib.Path("dynamic/model.safetensors").read_bytes()
size = struct.unpack("<Q", raw[:8])[0]
header, body, kept, data = json.loads(raw[8:8 + size]), raw[8 + size:], {}, b""
for name, tensor in sorted((n, t) for n, t in header.items() if n != "__metadata__" and not n.endswith((".input_scale", ".input_zero_point"))):
    begin, end = tensor["data_offsets"]
    kept[name] = dict(tensor, data_offsets=[len(data), len(data) + end - begin])
    data += body[begin:end]
text = json.dumps(kept).encode()
pathlib.Path("dynamic/model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
PY
rm dynamic/repaq-manifest.json
"$REPAQ" verify a dynamic
echo "exit $?"
"$REPAQ" convert a gptq --to gptq --weights-only --verify | grep verified
