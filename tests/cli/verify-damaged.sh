# The manifest tells a byte that changed after writing.
$MAKE msmodelslim a; "$REPAQ" convert a b --to awq >/dev/null; python3 -c "import pathlib; p = pathlib.Path('b/model.safetensors'); d = bytearray(p.read_bytes()); d[-1] ^= 1; p.write_bytes(d)"; "$REPAQ" verify a b
