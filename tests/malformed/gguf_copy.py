"""GGUF out of GGUF, as llama-quantize makes it: what llama.cpp refuses of tensors that are only copied, and of importance matrices."""
import math
import pathlib
import struct
import subprocess

# id, elements and bytes of a block, and where F16 scales are in it (ggml-org/ggml:src/ggml-common.h)
BLOCKS = {"Q4_0": (2, 32, 18, (0,)), "Q4_1": (3, 32, 20, (0, 2)), "Q5_0": (6, 32, 22, (0,)), "Q5_1": (7, 32, 24, (0, 2)), "Q8_0": (8, 32, 34, (0,)),
          "Q2_K": (10, 256, 84, (80, 82)), "Q3_K": (11, 256, 110, (108,)), "Q4_K": (12, 256, 144, (0, 2)), "Q5_K": (13, 256, 176, (0, 2)),
          "Q6_K": (14, 256, 210, (208,)), "IQ2_XXS": (16, 256, 66, (0,)), "IQ2_XS": (17, 256, 74, (0,)), "IQ3_XXS": (18, 256, 98, (0,)),
          "IQ1_S": (19, 256, 50, (0,)), "IQ4_NL": (20, 32, 18, (0,)), "IQ3_S": (21, 256, 110, (0,)), "IQ2_S": (22, 256, 82, (0,)),
          "IQ4_XS": (23, 256, 136, (0,)), "TQ1_0": (34, 256, 54, (52,)), "TQ2_0": (35, 256, 66, (64,)), "Q1_0": (41, 128, 18, (0,)), "Q2_0": (42, 64, 18, (0,))}
PLAIN = {"F32": (0, "f"), "F16": (1, "e"), "F64": (28, "d")}
ROWS, COLUMNS = 3, 512
NAME = b"blk.0.attn_v.weight"


def string(text):
    return struct.pack("<Q", len(text)) + text


def gguf(kind, body, pairs=(), columns=COLUMNS):
    """A file of one tensor [ROWS][columns]."""
    pairs = [(b"general.architecture", 8, string(b"llama")), (b"llama.block_count", 4, struct.pack("<I", 1)), *pairs]
    data = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(string(key) + struct.pack("<I", of) + value for key, of, value in pairs)
    data += string(NAME) + struct.pack("<IQQIQ", 2, columns, ROWS, kind, 0)
    return data + bytes(-len(data) % 32) + body + bytes(-len(body) % 32)


def blocks(name, wrong=None):
    """Rows of zeros with scales of 1, but for what is wrong: (row, block, {offset: bytes})."""
    kind, elements, size, scales = BLOCKS[name]
    body = bytearray(ROWS * COLUMNS // elements * size)
    for block in range(ROWS * COLUMNS // elements):
        for at in scales:
            body[block * size + at:block * size + at + 2] = b"\x00\x3c"
    if wrong is not None:
        row, block, change = wrong
        for at, data in change.items():
            place = (row * COLUMNS // elements + block) * size + at
            body[place:place + len(data)] = data
    return gguf(kind, bytes(body))


def files():
    """name -> bytes of the file, exit code, pieces of the message"""
    infinite, nan = b"\x00\x7c", b"\x01\xfe"
    for name, (_, elements, _, scales) in BLOCKS.items():
        yield f"{name} sound", blocks(name), 0, ()
        for number, at in enumerate(scales):
            for word, data in (("infinite", infinite), ("nan", nan)):
                yield (f"{name} {word} scale {number}", blocks(name, (1, 1, {at: data})), 4,
                       (NAME.decode(), "row 1", f"column {elements}", name, "R-NONFINITE"))
    body = bytearray(ROWS * COLUMNS // 32 * 17)
    body[(COLUMNS // 32 * 2 + 3) * 17] = 255
    yield "MXFP4 scale 255", gguf(39, bytes(body)), 4, ("row 2", "column 96", "MXFP4")
    yield "NVFP4 any scale", gguf(40, b"\xff" * (ROWS * COLUMNS // 64 * 36)), 0, ()
    body = bytearray(ROWS * COLUMNS // 256 * 56)
    body[56 + 48:56 + 56] = bytes.fromhex("000000000000007c")  # 16 bits, 4 at the top of each word
    yield "IQ1_M scattered scale", gguf(29, bytes(body)), 0, ()
    body[56 + 48:56 + 56] = bytes.fromhex("00000000 00c0 0070".replace(" ", ""))
    yield "IQ1_M scattered infinite scale", gguf(29, bytes(body)), 4, ("row 0", "column 256", "IQ1_M")
    for name, (kind, form) in PLAIN.items():
        for word, value in (("nan", math.nan), ("infinite", -math.inf)):
            values = [1.0] * (ROWS * COLUMNS)
            yield f"{name} sound", gguf(kind, struct.pack(f"<{len(values)}{form}", *values)), 0, ()
            values[2 * COLUMNS + 7] = value
            yield f"{name} {word}", gguf(kind, struct.pack(f"<{len(values)}{form}", *values)), 4, (NAME.decode(), "row 2", "column 7", "R-NONFINITE")
    values = [0x3f80] * (ROWS * COLUMNS)
    for word, value in (("nan", 0xffc0), ("infinite", 0x7f80)):
        values[5] = value
        yield f"BF16 {word}", gguf(30, struct.pack(f"<{len(values)}H", *values)), 4, ("row 0", "column 5")
    yield "F64 too large for F32", gguf(28, struct.pack(f"<{ROWS * COLUMNS}d", *([1e39] * ROWS * COLUMNS))), 4, ("row 0", "column 0")
    yield "I32 anything", gguf(26, b"\xff" * (ROWS * COLUMNS * 4)), 0, ()


def run(repaq, place, *words):
    found = subprocess.run([repaq, "llama-quantize", *words], cwd=place, capture_output=True, timeout=20, env={"LC_ALL": "C"})
    return found.returncode, found.stdout.decode("utf-8", "replace") + found.stderr.decode("utf-8", "replace")


def judge(place, found, text, code, pieces):
    faults = []
    if found != code:
        faults.append(f"exit {found}, expected {code}: {text.strip()[:300]}")
    faults += [f"the message lacks \"{piece}\": {text.strip()[:300]}" for piece in pieces if found != 0 and piece not in text]
    left = sorted(path.name for path in place.iterdir() if not path.name.startswith("in."))
    if left != (["out.gguf"] if found == 0 else []):
        faults.append(f"left behind: {left}")
    for path in place.glob("out.gguf"):
        path.unlink()
    return faults


def imatrix(entries, tail=b""):
    return struct.pack("<i", len(entries)) + b"".join(
        struct.pack("<i", len(name)) + name + struct.pack(f"<2i{len(values)}f", calls, len(values), *values) for name, calls, values in entries) + tail


def matrices():
    """name -> importance matrix, options, exit code, pieces"""
    ones, other = [1.0] * COLUMNS, [1.0] * 32
    sound = imatrix([(NAME, 2, ones)])
    yield "imatrix sound", sound, ("Q4_K_S",), 0, ()
    yield "imatrix of other columns", imatrix([(NAME, 2, other)]), ("Q4_K_S",), 6, ("32 values", "512 columns")
    yield "imatrix of two matrices", imatrix([(NAME, 2, ones * 2)]), ("Q4_K_S",), 6, ("1024 values", "512 columns of 1 matrix")
    yield "imatrix of no tensor", imatrix([(b"blk.9.attn_v.weight", 2, other)]), ("Q4_K_S",), 0, ()
    yield "imatrix of no tensor, and needed", imatrix([(b"blk.9.attn_v.weight", 2, other)]), ("--pure", "IQ2_XS"), 6, ("no entry",)
    yield "imatrix nan", imatrix([(NAME, 2, [math.nan] + ones[1:])]), ("Q4_K_S",), 4, (NAME.decode(), "column 0", "R-NONFINITE")
    yield "imatrix nan of an entry left out", imatrix([(NAME, 2, ones), (b"x", 1, [math.inf])]), ("--exclude-weights", "x", "Q4_K_S"), 0, ()
    yield "imatrix zeros", imatrix([(NAME, 2, [0.0] * COLUMNS)]), ("Q4_K_S",), 0, ()
    yield "imatrix negative", imatrix([(NAME, 2, [-1.0] * COLUMNS)]), ("Q4_K_S",), (0, 4), ()
    yield "imatrix never counted", imatrix([(NAME, 0, ones)]), ("Q4_K_S",), 0, ()
    yield "imatrix empty", b"", ("Q4_K_S",), 4, ("0 bytes",)
    yield "imatrix truncated", sound[:-5], ("Q4_K_S",), 4, ("within the file",)
    yield "imatrix a model", gguf(0, bytes(4 * ROWS * COLUMNS)), ("Q4_K_S",), 4, ("imatrix.datasets",)
    yield "imatrix of a billion entries", struct.pack("<i", 10**9), ("Q4_K_S",), 4, ("1000000000",)


def words():
    """Pairs that are set: options, exit code, pieces"""
    yield "no type", ("--override-kv", "a=1"), 2, ("KEY=TYPE:VALUE",)
    yield "no key", ("--override-kv", "=int:1"), 2, ("KEY=TYPE:VALUE",)
    yield "long key", ("--override-kv", "k" * 128 + "=int:1"), 2, ("127 bytes",)
    yield "long text", ("--override-kv", "k=str:" + "v" * 128), 2, ("127 bytes",)
    yield "a bool that is none", ("--override-kv", "k=bool:yes"), 2, ("bool:true",)
    yield "alignment of no power of two", ("--override-kv", "general.alignment=int:48"), 6, ("power of two",)
    yield "alignment 0", ("--override-kv", "general.alignment=int:0"), 6, ("power of two",)
    yield "alignment as text", ("--override-kv", "general.alignment=str:64"), 6, ("power of two",)
    yield "alignment 64", ("--override-kv", "general.alignment=int:64"), 0, ()
    yield "several", ("--override-kv", "a=int:-3", "--override-kv", "b=float:x", "--override-kv", "a=bool:true", "--override-kv", "c=str:"), 0, ()


def cases(repaq, scratch):
    place = pathlib.Path(scratch) / "gguf-copy"
    place.mkdir()
    source = place / "in.gguf"
    for name, data, code, pieces in files():
        source.write_bytes(data)
        yield f"copy of {name}", judge(place, *run(repaq, place, "in.gguf", "out.gguf", "COPY"), code, pieces)
    source.write_bytes(gguf(0, struct.pack(f"<{ROWS * COLUMNS}f", *(math.sin(i) for i in range(ROWS * COLUMNS)))))
    for name, data, options, code, pieces in matrices():
        (place / "in.dat").write_bytes(data)
        found, text = run(repaq, place, "--imatrix", "in.dat", *options[:-1], "in.gguf", "out.gguf", options[-1])
        yield name, judge(place, found, text, found if isinstance(code, tuple) and found in code else code, pieces)
    for name, options, code, pieces in words():
        found, text = run(repaq, place, *options, "in.gguf", "out.gguf", "COPY")
        again = run(repaq, place, "out.gguf", "in.again", "COPY")[0] if found == 0 else 0
        yield f"--override-kv, {name}", judge(place, found, text, code, pieces) + ([f"COPY of it ends with {again}"] if again != 0 else [])
    for kind in ("Q4_0", "Q8_0", "Q4_K_S", "Q6_K", "F16", "BF16", "IQ4_XS", "TQ2_0"):
        for form in "ef":
            values = [math.sin(i) for i in range(ROWS * COLUMNS)]
            values[COLUMNS + 9] = math.nan
            source.write_bytes(gguf(1 if form == "e" else 0, struct.pack(f"<{len(values)}{form}", *values)))
            yield (f"nan in {'F16' if form == 'e' else 'F32'} to {kind}",
                   judge(place, *run(repaq, place, "--pure", "in.gguf", "out.gguf", kind), 4, (NAME.decode(), "row 1", "column 9", "R-NONFINITE")))
    values = [1e7] * (ROWS * COLUMNS)
    source.write_bytes(gguf(0, struct.pack(f"<{len(values)}f", *values)))
    for kind, code in (("Q4_0", 4), ("Q8_0", 4), ("F16", 6), ("BF16", 0), ("Q6_K", 0)):  # as measured: ggml-org/llama.cpp says "quantized data validation failed"
        yield f"values of 1e7 to {kind}", judge(place, *run(repaq, place, "--pure", "in.gguf", "out.gguf", kind), code, (NAME.decode(), kind))
