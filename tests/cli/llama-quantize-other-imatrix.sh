# An importance matrix of another model is refused where tensors change, whatever they become; COPY does not look at it.
cp "$FIXTURES/gguf/gqa2-3/gqa2-3.gguf" m.gguf
python3 - <<'END'
import struct
name = b"blk.0.ffn_down.weight"
with open("other.dat", "wb") as out:
    out.write(struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii3f", 1, 3, 1, 2, 3))
END
for type in Q8_0 BF16 COPY; do "$REPAQ" llama-quantize --imatrix other.dat m.gguf o.gguf $type >/dev/null; echo "exit $?"; done
ls
