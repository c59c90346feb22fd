# What would be refused for want of a matrix or of leave is warned of, and sizes are printed.
G="$FIXTURES/gguf/gqa2-3/gqa2-3.gguf"
"$REPAQ" llama-quantize --dry-run "$G" IQ2_XS | tail -n 6; "$REPAQ" llama-quantize "$G" q.gguf Q8_0 >/dev/null
"$REPAQ" llama-quantize --dry-run q.gguf Q4_0 | tail -n 4; "$REPAQ" llama-quantize --dry-run --allow-requantize q.gguf Q4_0 | tail -n 1
# An entry that a matrix lacks is warned of as well.
python3 - <<'END'
import struct
name = b"blk.0.ffn_down.weight"
with open("one.dat", "wb") as out:
    out.write(struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii768f", 1, 768, *[1] * 768))
END
"$REPAQ" llama-quantize --dry-run --imatrix one.dat "$G" IQ2_XS | tail -n 1
