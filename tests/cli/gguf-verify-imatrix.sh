# Blocks rounded by importance are proved by it; the older form of the matrix, made here of every tensor's columns.
"$REPAQ" inspect "$FIXTURES/gguf/gqa2-3/gqa2-3.gguf" --tensors --json >shapes.json
python3 - <<'END'
import json, struct
tensors = [t for t in json.load(open("shapes.json"))["tensors"] if len(t["shape"]) == 2]
with open("importance.dat", "wb") as out:
    out.write(struct.pack("<i", len(tensors)))
    for number, t in enumerate(tensors):
        name, columns = t["name"].encode(), t["shape"][-1]
        out.write(struct.pack("<i", len(name)) + name + struct.pack("<ii", 1, columns))
        out.write(struct.pack("<%df" % columns, *(1 + (7 * c + number) % 11 for c in range(columns))))
END
for type in Q4_0 IQ4_NL; do
  "$REPAQ" convert "$FIXTURES/gguf/gqa2-3/gqa2-3.gguf" $type.gguf --to gguf --type $type --imatrix importance.dat --verify | grep verified
  "$REPAQ" convert "$FIXTURES/gguf/gqa2-3/gqa2-3.gguf" plain-$type.gguf --to gguf --type $type | grep -c lossy
  cmp -s $type.gguf plain-$type.gguf || echo "other bytes than without importance"
done
