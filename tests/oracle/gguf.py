"""GGUF by plain code of its own: a reader, the values of blocks, and llama's order of rows. And the cases: quantized fixtures go into GGUF with --type auto, and
every value of their first layer must be that of the float tensors that the same source gives with --to hf --dtype f32, but for scales that F16 rounds. Float
checkpoints go there and back."""
import array
import json
import os
import shutil
import struct
import subprocess

import gguf_order

TYPES = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 30: ("BF16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24),
         8: ("Q8_0", 32, 34), 12: ("Q4_K", 256, 144), 39: ("MXFP4", 32, 17)}
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
MODULES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
           "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
           "ffn_norm": "post_attention_layernorm"}


class File:
    """Pairs and tensors of a little-endian file of version 3."""

    def __init__(self, path):
        with open(path, "rb") as stream:
            self.data = stream.read()
        self.at = 0
        magic, version, tensors, pairs = self.take("4sIQQ")
        assert magic == b"GGUF" and version == 3
        self.pairs, self.tensors = {}, {}
        for _ in range(pairs):
            key = self.string()
            self.pairs[key] = self.value(self.take("I")[0])
        listed = []
        for _ in range(tensors):
            name, rank = self.string(), self.take("I")[0]
            dims = self.take("%dQ" % rank)
            listed.append((name, dims) + self.take("IQ"))
        start = (self.at + 31) // 32 * 32
        for name, dims, kind, offset in listed:
            word, elements, size = TYPES[kind]
            count = 1
            for dim in dims:
                count *= dim
            assert dims[0] % elements == 0
            self.tensors[name] = (word, dims, self.data[start + offset:start + offset + count // elements * size])

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def string(self):
        size = self.take("Q")[0]
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind != 9:
            return self.take(SCALARS[kind])[0]
        element, count = self.take("IQ")
        return [self.value(element) for _ in range(count)]


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def halves(block, at, high):
    """Codes of 32 columns: byte j has column j in its low nibble and j + 16 in its high one; bit j of `high` is worth 16."""
    nibbles = block[at:at + 16]
    return [(nibbles[j] & 15 if j < 16 else nibbles[j - 16] >> 4) | (high >> j & 1) << 4 for j in range(32)]


def block_values(word, block):
    scale = struct.unpack_from("<e", block)[0]
    if word == "Q8_0":
        return [single(code * scale) for code in struct.unpack_from("<32b", block, 2)]
    if word == "Q4_0":
        return [single((code - 8) * scale) for code in halves(block, 2, 0)]
    if word == "Q5_0":
        return [single((code - 16) * scale) for code in halves(block, 6, struct.unpack_from("<I", block, 2)[0])]
    if word in ("Q4_1", "Q5_1"):
        least, five = struct.unpack_from("<e", block, 2)[0], word == "Q5_1"
        codes = halves(block, 8 if five else 4, struct.unpack_from("<I", block, 4)[0] if five else 0)
        return [single(single(code * scale) + least) for code in codes]
    assert word == "Q4_K"
    least, packed, values = struct.unpack_from("<e", block, 2)[0], block[4:16], []
    for k in range(8):
        if k < 4:
            inner, minimum = packed[k] & 63, packed[k + 4] & 63
        else:
            inner, minimum = packed[k + 4] & 15 | packed[k - 4] >> 6 << 4, packed[k + 4] >> 4 | packed[k] >> 6 << 4
        for byte in block[16 + k // 2 * 32:48 + k // 2 * 32]:
            values.append(single(single(single(scale * inner) * (byte >> 4 if k % 2 else byte & 15)) - single(least * minimum)))
    return values


def values_of(word, data):
    if word == "F32":
        return list(array.array("f", data))
    if word == "F16":
        return list(struct.unpack("<%de" % (len(data) // 2), data))
    if word == "BF16":
        return list(array.array("f", b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2))))
    size = next(row[2] for row in TYPES.values() if row[0] == word)
    return [value for at in range(0, len(data), size) for value in block_values(word, data[at:at + size])]


def rows_in_pairs(rows, heads):
    """Hugging Face's rows of q and k in the order of llama: row 2 i + p of a head is its row p n / 2 + i."""
    size = len(rows) // heads
    return [rows[h * size + p * size // 2 + i] for h in range(heads) for i in range(size // 2) for p in range(2)]


def in_order(name, dims, values, order):
    """Columns of ffn_down, and rows of ffn_gate and ffn_up, which make them, in an order of their own."""
    if order is None or ".ffn_down.weight" not in name and ".ffn_gate." not in name and ".ffn_up." not in name:
        return values
    columns = dims[0] if len(dims) > 1 else 1
    rows = [values[i:i + columns] for i in range(0, len(values), columns)]
    rows = [[row[k] for k in order] for row in rows] if ".ffn_down." in name else [rows[k] for k in order]
    return [value for row in rows for value in row]


def hugging_face(name):
    if not name.startswith("blk."):
        return {"token_embd.weight": "model.embed_tokens.weight", "output.weight": "lm_head.weight", "output_norm.weight": "model.norm.weight"}[name]
    _, layer, module, suffix = name.split(".")
    return "model.layers.%s.%s.%s" % (layer, MODULES[module], suffix)


def run(repaq, *arguments):
    return subprocess.run([repaq, *arguments], capture_output=True, text=True, timeout=300)


def hold(repaq, folder, scratch, options, order=None, kinds=None):
    """What is wrong, as a text; None if nothing is. `order`: where inputs of down stand in the first layer, and rows of gate and up; `kinds`: the types of
    its tensors, where one is stated."""
    made, floats = os.path.join(scratch, "made.gguf"), os.path.join(scratch, "floats")
    for path in (made, floats):
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isfile(path):
            os.remove(path)
    done = run(repaq, "convert", folder, made, "--to", "gguf", "--verify", "--json", *options)
    if done.returncode != 0:
        return "exit %d: %s" % (done.returncode, done.stderr.strip())
    classes = {tensor["name"]: tensor["class"] for tensor in json.loads(done.stdout)["tensors"]}
    done = run(repaq, "convert", folder, floats, "--to", "hf", "--dtype", "f32", *options)
    if done.returncode != 0:
        return "exit %d: %s" % (done.returncode, done.stderr.strip())
    file, expected = File(made), {}
    for name in os.listdir(floats):
        if name.endswith(".safetensors"):
            with open(os.path.join(floats, name), "rb") as stream:
                size = struct.unpack("<Q", stream.read(8))[0]
                header = json.loads(stream.read(size))
                for tensor, entry in header.items():
                    if tensor != "__metadata__" and (".layers.0." in tensor or "norm" in tensor):
                        stream.seek(8 + size + entry["data_offsets"][0])
                        expected[tensor] = list(array.array("f", stream.read(entry["data_offsets"][1] - entry["data_offsets"][0])))
    arch, seen = file.pairs["general.architecture"], 0
    for name, (word, dims, data) in file.tensors.items():
        want = expected.get(hugging_face(name))
        if want is None:
            continue
        seen += 1
        if arch == "llama" and (".attn_q." in name or ".attn_k." in name):
            heads = file.pairs[arch + (".attention.head_count" if ".attn_q." in name else ".attention.head_count_kv")]
            columns = dims[0] if len(dims) > 1 else 1
            rows = rows_in_pairs([want[i:i + columns] for i in range(0, len(want), columns)], heads)
            want = [value for row in rows for value in row]
        want = in_order(name, dims, want, order)
        module = name.split(".")[2] if name.startswith("blk.") and name.endswith(".weight") else ""
        if kinds and kinds.get(module, word) != word:
            return "%s is %s, expected %s" % (name, word, kinds[module])
        found = values_of(word, data)
        slack = 2.0 ** -11 if classes[name] == "rounded" else 0.0
        for i, (a, b) in enumerate(zip(found, want)):
            if a != b and not abs(a - b) <= slack * abs(b) * 1.001:
                return "%s (%s, %s): value %d is %r, expected %r" % (name, word, classes[name], i, a, b)
        if len(found) != len(want):
            return "%s: %d values, expected %d" % (name, len(found), len(want))
    return None if seen > 5 else "only %d tensors were compared" % seen


# Fixtures, what else they need, and the exit code and words of a refusal.
CASES = [
    ("awq/awq-qwen2-4bit-g128", []),
    ("gptq/gptq-qwen2-4bit-g128-sym", []),
    ("gptq/gptq-qwen2-3bit-g128-sym", []),
    ("gptq_v2/gptqv2-qwen2-4bit-g64-asym", []),
    ("compressed_tensors/ct-qwen2-w4a16-awq-g64-asym", []),
    ("mlx/mlx-qwen2-4bit-g64", []),
    ("msmodelslim/ms-llama-w8a8-static-safe", ["--weights-only"]),
    ("msmodelslim/ms-qwen2-w4a16-awq-g128-sym-sharded-asc", []),
    ("msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe", []),
]
REFUSED = [
    ("compressed_tensors/ct-qwen2-w4a16-gptq-g128-sym-actgroup-gidx", [], 6, "blk.0.ffn_gate.weight: found 4-bit codes"),
    ("compressed_tensors/ct-qwen2-w4a16-gptq-g128-sym-actgroup-gidx", ["--tensor-type", "ffn_down=F32"], 6, ", and 17 more tensors that no block holds"),
    ("compressed_tensors/ct-qwen2-w4a16-gptq-g128-sym-actgroup-gidx", ["--tensor-type", "ffn_down|attn_output=F32"], 6, "(R-ACTORDER), while its input is the hidden state"),
    ("msmodelslim/ms-llama-w8a8-static-safe", [], 6, "R-ACTPARAM"),
    ("msmodelslim/ms-qwen2-w4a16-awq-g128-sym-sharded-asc", ["--exact"], 6, "R-SCALE"),
]


# Float checkpoints, and what changes in their params.json.
FLOATS = [("hf/tiny-float-sharded", None), ("meta/tiny-mp2", None), ("meta/tiny-mp2", {"use_scaled_rope": True, "rope_theta": 500000.0})]


def lay(folder, changes, scratch):
    """The checkpoint with a changed params.json."""
    if changes is None:
        return folder
    copy = os.path.join(scratch, "changed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    path = os.path.join(copy, "params.json")
    os.chmod(path, 0o644)
    with open(path, encoding="utf-8") as file:
        params = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**params, **changes}, file)
    return copy


def there_and_back(repaq, folder, scratch, kind):
    """Into GGUF, from there to a directory of Hugging Face's, and back: the same tensors, and the same pairs but those of general.* that name the model."""
    paths = [os.path.join(scratch, name) for name in ("first.gguf", "directory", "second.gguf")]
    for command in ([folder, paths[0], "--to", "gguf", "--type", kind], [paths[0], paths[1], "--to", "hf", "--verify"],
                    [paths[1], paths[2], "--to", "gguf", "--type", kind]):
        done = run(repaq, "convert", *command, "--force")
        if done.returncode != 0:
            return "exit %d: %s" % (done.returncode, done.stderr.strip())
    first, second = File(paths[0]), File(paths[2])
    for name in sorted(set(first.tensors) | set(second.tensors)):
        if first.tensors.get(name) != second.tensors.get(name):
            return "%s differs" % name
    for key in sorted(set(first.pairs) | set(second.pairs)):
        if (not key.startswith("general.") or key in ("general.architecture", "general.file_type")) and first.pairs.get(key) != second.pairs.get(key):
            return "%s: %r, expected %r" % (key, second.pairs.get(key), first.pairs.get(key))
    return None if len(first.tensors) > 5 else "only %d tensors" % len(first.tensors)


def judge(repaq, fixtures, models, scratch, only):
    """(good, line) of every case whose name holds `only`."""
    os.makedirs(scratch, exist_ok=True)
    lines = []
    floats = [("gguf %s%s there and back" % (name, " changed" if changes else ""), lay(os.path.join(fixtures, name), changes, scratch)) for name, changes in FLOATS]
    floats += [("gguf %s there and back" % name, os.path.join(models, name)) for name in ("llama-tiny", "qwen2-tiny") if models and os.path.isdir(os.path.join(models, name))]
    for name, folder in floats:
        for kind in ("F32", "F16", "BF16") if only in name else ():
            wrong = there_and_back(repaq, folder, scratch, kind)
            lines.append((wrong is None, ("ok   %s %s" if wrong is None else "FAIL %s %s: %s") % ((name, kind) + (() if wrong is None else (wrong,)))))
    for name, wrong in cases(repaq, fixtures, scratch, only):
        lines.append((wrong is None, "ok   " + name if wrong is None else "FAIL %s: %s" % (name, wrong)))
    return lines


def cases(repaq, fixtures, scratch, only):
    """(name, what is wrong or None) of every case."""
    for folder, options in CASES:
        if only not in "gguf " + folder:
            continue
        yield "gguf %s %s" % (folder, " ".join(options)), hold(repaq, os.path.join(fixtures, folder), scratch, options)
    for folder, options, code, words in REFUSED:
        if only not in "gguf " + folder:
            continue
        made = os.path.join(scratch, "refused.gguf")
        done = run(repaq, "convert", os.path.join(fixtures, folder), made, "--to", "gguf", *options)
        wrong = None if done.returncode == code and words in done.stderr and not os.path.exists(made) else "exit %d: %s" % (done.returncode, done.stderr)
        yield "gguf %s %s is refused" % (folder, " ".join(options)), wrong
    if only in "gguf everything in activation order":
        yield "gguf everything in activation order", gguf_order.requantized(repaq, fixtures, scratch, run)
    if only in "gguf floats in activation order":
        yield "gguf floats in activation order", gguf_order.floats_stay(repaq, fixtures, scratch, run)
    if only in "gguf experts in activation order":
        yield "gguf experts in activation order", gguf_order.each_expert(repaq, fixtures, scratch, run, (File, values_of))
    for name, made, options, order, kinds in gguf_order.sources(fixtures, scratch):
        if only in "gguf " + name:
            yield "gguf " + name, hold(repaq, made, scratch, options, order, kinds) or gguf_order.meet(repaq, made, scratch, order, run)
