# A compressed weight file, by its own name and in a directory; what it is unpacked to has no name.
mkdir src; cp "$FIXTURES/hf/tiny-float-sharded"/*.json src; rm src/model.safetensors.index.json
python3 - "$FIXTURES"/hf/tiny-float-sharded/*00001*.safetensors <<'END'
import sys  # one frame of raw blocks: what any compressor may write
data, blocks = open(sys.argv[1], "rb").read(), b""
for at in range(0, len(data), 65536):
    part = data[at:at + 65536]
    blocks += ((len(part) << 3) | (at + 65536 >= len(data))).to_bytes(3, "little") + part
open("src/model.safetensors.zst", "wb").write(b"\x28\xb5\x2f\xfd\x00\x58" + blocks)
END
"$REPAQ" inspect src | tail -2; "$REPAQ" inspect src/model.safetensors.zst | tail -2; "$REPAQ" convert src out --to hf --verify >/dev/null; "$REPAQ" verify out src/model.safetensors.zst | tail -1; ls -A . src
