"""Small checkpoints for tests, made and changed without repaq: safetensors files, and generators of msmodelslim, gptq and awq directories."""
import hashlib
import json
import pathlib
import random
import struct

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1, "I16": 2, "I32": 4, "U8": 1, "I64": 8}


def read_tensors(path):
    """name -> [dtype, shape, bytearray], in the order of the header."""
    blob = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = [entry["dtype"], entry["shape"], bytearray(blob[8 + size + begin:8 + size + end])]
    return tensors


def header_text(tensors):
    header, at = {}, 0
    for name, (dtype, shape, body) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(body)]}
        at += len(body)
    return json.dumps(header, separators=(",", ":"))


def write_tensors(path, tensors, text=None):
    """`text` replaces the header, to write one that the data contradicts."""
    raw = (header_text(tensors) if text is None else text).encode()
    raw += b" " * (-len(raw) % 8)
    path = pathlib.Path(path)
    if path.exists():
        path.unlink()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(raw)) + raw)
        for _, _, body in tensors.values():
            out.write(body)


def write_json(path, value):
    path = pathlib.Path(path)
    if path.exists():
        path.unlink()
    path.write_text(json.dumps(value, indent=2) + "\n")


def f32(values):
    return bytearray(struct.pack(f"<{len(values)}f", *values))


def f16(values):
    return bytearray(struct.pack(f"<{len(values)}e", *values))


def i32(words):
    return bytearray(struct.pack(f"<{len(words)}I", *words))


def tree_hash(folder):
    """Of names, kinds, link targets and bytes: equal before and after a run means that the input was not touched."""
    digest = hashlib.sha256()
    folder = pathlib.Path(folder)
    for path in [folder] + sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + oct(path.lstat().st_mode).encode())
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class Weight:
    """Codes [out][in], zeros [out][groups] and scales [out][groups], unsigned, as every format means them."""

    def __init__(self, rng, out, inner, group, bits, zeros):
        self.out, self.inner, self.group, self.bits = out, inner, group, bits
        self.groups = -(-inner // group)
        top = (1 << bits) - 1
        self.codes = [[rng.randint(0, top) for _ in range(inner)] for _ in range(out)]
        mid = 1 << (bits - 1)
        self.zeros = [[mid if zeros == "sym" else rng.randint(1, top) for _ in range(self.groups)] for _ in range(out)]
        self.scales = [[rng.randint(100, 2000) / 65536 for _ in range(self.groups)] for _ in range(out)]  # exact in F16
        self.group_of = [k // group for k in range(inner)]


LINEARS = (("model.layers.0.self_attn.q_proj", 32, 64), ("model.layers.0.mlp.up_proj", 64, 64), ("model.layers.0.mlp.down_proj", 64, 128))
CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128, "model_type": "olmo2", "num_attention_heads": 2,
          "num_hidden_layers": 1, "rms_norm_eps": 1e-06, "torch_dtype": "float16", "vocab_size": 32}


def weights(seed=1, group=32, bits=4, zeros="sym", linears=LINEARS):
    rng = random.Random(seed)
    return {name: Weight(rng, out, inner, inner if group == -1 else group, bits, zeros) for name, out, inner in linears}


def floats(dtype="F16", hidden=64, vocab=32, seed=2):
    rng = random.Random(seed)
    encode = f16 if dtype == "F16" else f32
    table = {"model.embed_tokens.weight": [vocab, hidden], "model.layers.0.input_layernorm.weight": [hidden], "model.norm.weight": [hidden],
             "lm_head.weight": [vocab, hidden]}
    tensors = {}
    for name, shape in table.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        tensors[name] = [dtype, shape, encode([rng.randint(-500, 500) / 1024 for _ in range(count)])]
    return tensors


def pack_words(rows, bits):
    """Each row's values into 32-bit words, lowest bits first, the last word filled up with zero."""
    per = 32 // bits
    return [sum(value << (bits * i) for i, value in enumerate(row[at:at + per])) for row in rows for at in range(0, len(row), per)]


def turned(rows):
    return [list(column) for column in zip(*rows)]


def gptq_tensors(table, v2=False):
    tensors = floats()
    for name, weight in table.items():
        per, mask = 32 // weight.bits, (1 << weight.bits) - 1
        words = pack_words(weight.codes, weight.bits)  # [out][in/per]
        across = len(words) // weight.out
        tensors[name + ".qweight"] = ["I32", [across, weight.out], i32([words[o * across + r] for r in range(across) for o in range(weight.out)])]
        stored = [[z if v2 else (z - 1) & mask for z in row] for row in turned(weight.zeros)]
        tensors[name + ".qzeros"] = ["I32", [weight.groups, -(-weight.out // per)], i32(pack_words(stored, weight.bits))]
        tensors[name + ".scales"] = ["F16", [weight.groups, weight.out], f16([s for row in turned(weight.scales) for s in row])]
        tensors[name + ".g_idx"] = ["I32", [weight.inner], i32(weight.group_of)]
    return tensors


def gptq_zeros(path, name, bits=4):
    """The stored zero fields of a weight, [groups][out]."""
    _, (groups, columns), body = read_tensors(path)[name + ".qzeros"]
    words = struct.unpack(f"<{groups * columns}I", body)
    return [[word >> at & ((1 << bits) - 1) for word in words[g * columns:(g + 1) * columns] for at in range(0, 32, bits)] for g in range(groups)]


def make_gptq(folder, table, v2=False, sym=True, group=32, desc_act=False):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    bits = next(iter(table.values())).bits
    quantization = {"bits": bits, "group_size": group, "desc_act": desc_act, "sym": sym, "quant_method": "gptq", "checkpoint_format": "gptq_v2" if v2 else "gptq"}
    write_json(folder / "config.json", dict(CONFIG, quantization_config=quantization))
    write_json(folder / "quantize_config.json", quantization)
    write_tensors(folder / "model.safetensors", gptq_tensors(table, v2))


def make_awq(folder, table, group=32):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    quantization = {"bits": 4, "group_size": group, "quant_method": "awq", "version": "gemm", "zero_point": True, "modules_to_not_convert": ["lm_head"]}
    write_json(folder / "config.json", dict(CONFIG, quantization_config=quantization))
    tensors = floats()

    def packed(rows):
        return pack_words([[row[at + i] for at in range(0, len(row), 8) for i in AWQ_ORDER] for row in rows], 4)

    for name, weight in table.items():
        tensors[name + ".qweight"] = ["I32", [weight.inner, weight.out // 8], i32(packed(turned(weight.codes)))]
        tensors[name + ".qzeros"] = ["I32", [weight.groups, weight.out // 8], i32(packed(turned(weight.zeros)))]
        tensors[name + ".scales"] = ["F16", [weight.groups, weight.out], f16([s for row in turned(weight.scales) for s in row])]
    write_tensors(folder / "model.safetensors", tensors)


def padded(groups, group):
    """Groups that a row of AutoAWQ's GEMV layouts has room for."""
    multiple = 8 * {32: 4, 64: 2}.get(group, 1)
    return -(-groups // multiple) * multiple


def make_gemv(folder, table, group=32, version="gemv"):
    """AutoAWQ's GEMV: natural words along rows, whose parameters are padded."""
    make_awq(folder, {}, group)
    tensors = floats()
    for name, weight in table.items():
        more = [0] * (padded(weight.groups, group) - weight.groups)
        tensors[name + ".qweight"] = ["I32", [weight.out, weight.inner // 8], i32(pack_words(weight.codes, 4))]
        tensors[name + ".qzeros"] = ["I32", [weight.out, (weight.groups + len(more)) // 8], i32(pack_words([row + more for row in weight.zeros], 4))]
        tensors[name + ".scales"] = ["F16", [weight.out, weight.groups + len(more)], f16([s for row in weight.scales for s in row + more])]
    finish_awq(folder, tensors, version)


def make_gemv_fast(folder, table, group=32, version="gemv_fast"):
    """AutoAWQ's GEMV_FAST and, as version llm-awq, its like: four rows take turns of 64 columns, and zeros are -(scale * zero)."""
    make_awq(folder, {}, group)
    tensors = floats()
    for name, weight in table.items():
        fields = [weight.codes[n][at + half + 8 * (i % 4) + i // 4] for n4 in range(0, weight.out, 4) for at in range(0, weight.inner, 64)
                  for n in range(n4, n4 + 4) for half in (0, 32) for i in range(32)]
        words = [sum(code << (4 * i) for i, code in enumerate(fields[at:at + 4])) for at in range(0, len(fields), 4)]
        rows = padded(weight.groups, group)
        more = [0.0] * ((rows - weight.groups) * weight.out)
        scales = [s for row in turned(weight.scales) for s in row]
        zeros = [-s * z for s, z in zip(scales, (z for row in turned(weight.zeros) for z in row))]
        tensors[name + ".qweight"] = ["I16", [weight.out // 4, weight.inner], bytearray(struct.pack(f"<{len(words)}H", *words))]
        tensors[name + ".scales"] = ["F16", [rows, weight.out], f16(scales + more)]
        tensors[name + (".scaled_zeros" if version == "llm-awq" else ".qzeros")] = ["F16", [rows, weight.out], f16(zeros + more)]
    finish_awq(folder, tensors, version)


def finish_awq(folder, tensors, version):
    path = pathlib.Path(folder) / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"]["version"] = version
    write_json(path, config)
    write_tensors(path.parent / "model.safetensors", tensors)


DESCRIPTION = "quant_model_description_w4a16.json"
MS_WEIGHTS = "quant_model_weight_w4a16.safetensors"


def make_msmodelslim(folder, table, packed=False, more=None):
    """`packed`: version 1.0.0, two int4 a byte. `more`: further members of the description."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", CONFIG)
    tensors = floats("F32")
    first = next(iter(table.values()))
    kind = "W4A16" if first.bits == 4 else "W8A16"
    description = {"version": "1.0.0", "group_size": 0 if first.groups == 1 else first.group} if packed else {}
    description["model_quant_type"] = kind
    for name in tensors:
        description[name] = "FLOAT"
    for name, weight in table.items():
        mid = 1 << (weight.bits - 1)
        rows = [[(code - mid) & 255 for code in row] for row in weight.codes]
        shape = [weight.out, weight.inner]
        if packed and weight.bits == 4 and weight.groups > 1:
            rows = [[low & 15 | (high & 15) << 4 for low, high in zip(rows[o], rows[o + 1])] for o in range(0, weight.out, 2)]
            shape = [weight.out // 2, weight.inner]
        elif packed and weight.bits == 4:
            rows = [[row[k] & 15 | (row[k + 1] & 15) << 4 for k in range(0, weight.inner, 2)] for row in rows]
            shape = [weight.out, weight.inner // 2]
        params = [weight.out, weight.groups]
        tensors[name + ".weight"] = ["I8", shape, bytearray(b"".join(bytes(row) for row in rows))]
        tensors[name + ".weight_scale"] = ["F32", params, f32([s for row in weight.scales for s in row])]
        tensors[name + ".weight_offset"] = ["F32", list(params), f32([float(z - mid) for row in weight.zeros for z in row])]
        for part in (".weight", ".weight_scale", ".weight_offset"):
            description[name + part] = kind
    description.update(more or {})
    write_tensors(folder / MS_WEIGHTS, tensors)
    write_json(folder / DESCRIPTION, description)


def make_large(folder, megabytes, seed=3, wide=False, symmetric=False):
    """msmodelslim W4A16 of about this size. `wide`: one weight has most of it, more than a tile's budget of memory. `symmetric`: offsets of 0."""
    rng = random.Random(seed)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", dict(CONFIG, hidden_size=1024))
    tensors, description = {}, {"model_quant_type": "W4A16"}
    signed = bytes((value & 15) - 8 & 255 for value in range(256))

    def add(name, out, inner, group):
        groups = inner // group
        tensors[name + ".weight"] = ["I8", [out, inner], bytearray(rng.randbytes(out * inner).translate(signed))]
        tensors[name + ".weight_scale"] = ["F32", [out, groups], f32([rng.uniform(0.001, 0.1) for _ in range(out * groups)])]
        tensors[name + ".weight_offset"] = ["F32", [out, groups], f32([0.0 if symmetric else float(rng.randint(-8, 7)) for _ in range(out * groups)])]
        for part in (".weight", ".weight_scale", ".weight_offset"):
            description[name + part] = "W4A16"

    left = megabytes << 20
    if wide:
        add("model.layers.0.mlp.up_proj", 4096, 6144, 128)
        left -= 26 << 20
    layer = 1
    while left > 0:
        add(f"model.layers.{layer}.mlp.down_proj", 1024, 2048, 128)
        left -= (2 << 20) + (128 << 10)
        layer += 1
    for name, shape in (("model.embed_tokens.weight", [512, 1024]), ("model.norm.weight", [1024])):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        tensors[name] = ["F32", shape, f32([rng.gauss(0, 0.1) for _ in range(count)])]
        description[name] = "FLOAT"
    write_tensors(folder / MS_WEIGHTS, tensors)
    write_json(folder / DESCRIPTION, description)
