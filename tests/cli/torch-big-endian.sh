# A file of torch.save says the order of its bytes: the same values of either.
cp -r "$FIXTURES/hf/tiny-torch" little; cp -r little big
python3 - <<'END'
import zipfile
with zipfile.ZipFile("little/pytorch_model.bin") as source, zipfile.ZipFile("big/pytorch_model.bin", "w") as out:
    for entry in source.infolist():
        body = bytearray(source.read(entry))
        if entry.filename.endswith("/byteorder"):
            body = b"big"
        elif "/data/" in entry.filename: # halves, and zeros
            body[0::2], body[1::2] = body[1::2], body[0::2]
        out.writestr(entry.filename, bytes(body))
END
"$REPAQ" convert little a --to hf >/dev/null; echo "exit $?"
"$REPAQ" convert big b --to hf >/dev/null; echo "exit $?"
cmp a/model.safetensors b/model.safetensors && echo equal
cmp -s little/pytorch_model.bin big/pytorch_model.bin || echo "other bytes"
