"""GGUF's Q5_0, and what becomes of it: integers of 4 bits with a zero a group, where the codes of every group span 16 of the 32 levels; else 5 bits.

Files are made here, block by block: a scale F16, a word of fifth bits, 16 bytes of nibbles j and j + 16; value = (code - 16) * scale.
"""
import json
import os
import random
import shutil
import struct
import subprocess

import awq
import compressed
import gguf
import gptq
import mlx_affine
import msmodelslim
import floats
import st

ROWS, COLUMNS, HEADS = 64, 128, 4
READERS = {"awq": awq.read, "gptq": gptq.read, "gptq_v2": gptq.read, "compressed-tensors": compressed.read, "mlx": mlx_affine.read,
           "msmodelslim": msmodelslim.read}
NAMES = ["blk.0.attn_q", "blk.0.attn_output", "blk.0.ffn_up"]


def block(order, scale, codes):
    word = sum((code >> 4) << j for j, code in enumerate(codes))
    return struct.pack(order + "eI", scale, word) + bytes(codes[j] & 15 | (codes[j + 16] & 15) << 4 for j in range(16))


def string(order, text):
    return struct.pack(order + "Q", len(text)) + text.encode()


def pair(order, key, value):
    if isinstance(value, str):
        return string(order, key) + struct.pack(order + "I", 8) + string(order, value)
    return string(order, key) + (struct.pack(order + "If", 6, value) if isinstance(value, float) else struct.pack(order + "II", 4, value))


def write(path, blocks, order):
    """blocks: {name: [rows of blocks]}; order: "<" or ">", of everything in the file."""
    pairs = {"general.architecture": "llama", "llama.block_count": 1, "llama.context_length": 64, "llama.embedding_length": COLUMNS,
             "llama.feed_forward_length": COLUMNS, "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": HEADS,
             "llama.attention.layer_norm_rms_epsilon": 1e-5}
    tensors = [("output_norm.weight", (COLUMNS,), 0, struct.pack(order + "f", 1.5) * COLUMNS)]
    tensors += [(name + ".weight", (COLUMNS, ROWS), 6, b"".join(rows)) for name, rows in blocks.items()]
    listed, data = b"", b""
    for name, dims, kind, body in tensors:
        listed += string(order, name) + struct.pack(order + "I%dQIQ" % len(dims), len(dims), *dims, kind, len(data))
        data += body + b"\0" * (-len(body) % 32)
    head = b"GGUF" + struct.pack(order + "IQQ", 3, len(tensors), len(pairs)) + b"".join(pair(order, *item) for item in pairs.items()) + listed
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % 32) + data)


def levels(rng, least, most):
    codes = [rng.randint(least, most) for _ in range(32)]
    codes[rng.randrange(16)], codes[16 + rng.randrange(16)] = least, most
    return codes


def make(rng, spans):
    """Rows of (scale, codes) for each tensor, groups of the spans in turn; some scales are negative, small or zero."""
    made, scales, turn = {}, [1.0, -0.5, 6e-8, 0.0078125, 333.0], 0
    for name in NAMES:
        made[name] = []
        for _ in range(ROWS):
            row = []
            for _ in range(COLUMNS // 32):
                row.append((scales[turn % 5], levels(rng, *spans[turn % len(spans)])))
                turn += 1
            made[name].append(row)
    made[NAMES[1]][3][1] = (0.0, [0, 31] * 16)  # a group of zeros, whatever its codes
    return made


def values_of(made, name):
    """Rows in the order of Hugging Face."""
    rows = [[gguf.single((code - 16) * struct.unpack("<e", struct.pack("<e", scale))[0]) + 0.0 for scale, codes in row for code in codes] for row in made[name]]
    if name.endswith("attn_q"):
        size = ROWS // HEADS
        rows = [rows[h * size + 2 * i + p] for h in range(HEADS) for p in range(2) for i in range(size // 2)]
    return rows


def module(name):
    return gguf.hugging_face(name + ".weight")[:-len(".weight")]


class Judge:
    def __init__(self, repaq, scratch):
        self.repaq, self.scratch, self.lines = repaq, scratch, []

    def say(self, what, problems):
        self.lines.append((not problems, "%s q5: %s%s" % ("FAIL" if problems else "ok  ", what, "".join("\n     " + text for text in problems[:4]))))

    def file(self, name, made, order="<"):
        path = os.path.join(self.scratch, name + ".gguf")
        write(path, {name: [b"".join(block(order, *part) for part in row) for row in rows] for name, rows in made.items()}, order)
        return path

    def convert(self, source, target, *flags):
        written = os.path.join(self.scratch, "%s %d" % (target, len(os.listdir(self.scratch))))
        done = subprocess.run([self.repaq, "convert", source, written, "--to", target, "--json", "--verify", *flags], capture_output=True, text=True, timeout=120)
        return written, done

    def exact(self, source, made, target, bits, *flags):
        written, done = self.convert(source, target, "--exact", *flags)
        problems = [] if done.returncode == 0 else ["exit %d: %s" % (done.returncode, done.stderr.strip()[:300])]
        if not problems:
            found = READERS[target](written).weights
            for name in NAMES:
                weight = found[module(name)]
                if weight.bits != bits:
                    problems.append("%s: %d bits, expected %d" % (name, weight.bits, bits))
                if [[real + 0.0 for real, _ in row] for row in weight.values()] != values_of(made, name):
                    problems.append(name + ": values differ")
            problems += ["%s is called %s" % (entry["name"], entry["class"]) for entry in json.loads(done.stdout)["tensors"] if entry["class"] not in ("bytes", "exact")]
            done = subprocess.run([self.repaq, "verify", source, written], capture_output=True, text=True, timeout=120)
            problems += [] if done.returncode == 0 else ["verify: exit %d: %s" % (done.returncode, (done.stderr or done.stdout).strip()[:300])]
        self.say("%s -> %s" % (os.path.basename(source), " ".join((target,) + flags)), problems)

    def refused(self, source, target, code, rid, *flags):
        written, done = self.convert(source, target, *flags)
        good = done.returncode == code and rid in done.stderr and not os.path.exists(written)
        self.say("%s -> %s is refused" % (os.path.basename(source), " ".join((target,) + flags)),
                 [] if good else ["exit %d, expected %d %s: %s" % (done.returncode, code, rid, done.stderr.strip()[:300])])

    def dense(self, source, made):
        written, done = self.convert(source, "hf", "--dtype", "f32")
        found = st.read_directory(written)[0] if done.returncode == 0 else {}
        problems = [] if found else ["exit %d: %s" % (done.returncode, done.stderr.strip()[:300])]
        problems += [] if not found or set(floats.decode(found["model.norm.weight"].data, "F32")) == {1.5} else ["the norm differs"]
        for name in NAMES if found else ():
            flat = [value for row in values_of(made, name) for value in row]
            held = floats.decode(found[module(name) + ".weight"].data, "F32")
            problems += [] if [value + 0.0 for value in held] == flat else [name + ": values differ"]
        self.say("%s -> hf" % os.path.basename(source), problems)


def judge(repaq, scratch):
    """(good, line) of every case."""
    os.makedirs(scratch)
    case, rng = Judge(repaq, scratch), random.Random("q5")
    plain = [(8, 23), (8, 12), (20, 23), (10, 20)]
    some = [(1, 16), (3, 12), (8, 23), (14, 29), (7, 7), (15, 30)]
    for name, spans in (("mid", plain), ("zeros", some)):
        made = make(rng, spans)
        source = case.file(name, made)
        for target in ("awq", "gptq", "gptq_v2", "compressed-tensors", "msmodelslim"):
            case.exact(source, made, target, 4)
        case.exact(source, made, "mlx", 5)
        case.exact(source, made, "compressed-tensors", 5, "--bits", "5")
        case.exact(source, made, "gptq", 8, "--bits", "8")
        case.dense(source, made)
        if name == "mid":
            case.exact(source, made, "mlx", 4, "--bits", "4")
        else:
            case.refused(source, "mlx", 6, "R-BIAS", "--bits", "4", "--exact")
    source = case.file("big-endian", made, ">")
    case.exact(source, made, "awq", 4)
    case.exact(source, made, "mlx", 5)
    case.dense(source, made)
    edges = make(rng, some + [(0, 15), (16, 31)])  # zeros 16 and 0
    source = case.file("edges", edges)
    case.refused(source, "awq", 6, "R-RANGE")
    case.refused(source, "gptq", 6, "R-RANGE")
    case.exact(source, edges, "compressed-tensors", 5)
    case.exact(source, edges, "msmodelslim", 4)
    case.dense(source, edges)
    low = make(rng, some + [(16, 31)])
    source = case.file("low", low)
    case.exact(source, low, "awq", 4)
    case.refused(source, "gptq", 6, "R-ZERO-V1")
    case.exact(source, low, "gptq_v2", 4)
    wide = make(rng, some + [(8, 24)])
    source = case.file("wide", wide)
    for target in ("awq", "gptq", "msmodelslim"):
        case.refused(source, target, 6, "R-BITS")
    case.exact(source, wide, "compressed-tensors", 5)
    case.exact(source, wide, "mlx", 5)
    case.exact(source, wide, "gptq_v2", 8, "--bits", "8")
    case.dense(source, wide)
    shutil.rmtree(scratch)
    return case.lines
