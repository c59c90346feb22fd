"""MXFP4 in its three encodings, which differ in names and shapes only, and what they become: each other byte for byte, integers, floats.

compressed-tensors  X.weight_packed U8 [N][K/2], X.weight_scale U8 [N][K/32]                       config: mxfp4-pack-quantized
mlx                 X.weight U32 [N][K/8], X.scales U8 [N][K/32], or [E][N]... of stacked experts  config: mode mxfp4
gpt-oss             X_blocks U8 [E][N][K/32][16], X_scales U8 [E][N][K/32]; rows of gate_up_proj are gate, up, gate, up ...

value = E2M1 code (low nibble first) * 2^(byte - 127). As integers: twice the E2M1 value, -12..12, times 2^(byte - 128), in groups of 32.
"""
import json
import math
import os
import random
import shutil
import subprocess

import compressed
import floats
import gguf
import gptq
import mlx_affine
import st
from minifloat import E2M1

WEIGHTS = {"model.layers.0.self_attn.q_proj": (64, 96), "model.layers.0.mlp.down_proj": (32, 32), "model.layers.1.mlp.up_proj": (64, 64)}
INTEGERS = {"gptq": (8,), "gptq_v2": (8,), "compressed-tensors": (5, 6, 7, 8), "mlx": (5, 6, 8)}
READERS = {"gptq": gptq.read, "gptq_v2": gptq.read, "compressed-tensors": compressed.read, "mlx": mlx_affine.read}
F16_EXPONENTS, ALL_EXPONENTS = (104, 143), (0, 255)


def layers(rng, exponents):
    """{module: (rows, columns, codes of two a byte, exponent bytes)}; every code, and both ends of the exponents."""
    made = {}
    for module, (rows, columns) in WEIGHTS.items():
        scales = bytearray(rng.randint(*exponents) for _ in range(rows * columns // 32))
        scales[0], scales[-1] = exponents
        made[module] = (rows, columns, bytes(range(256)) + rng.randbytes(rows * columns // 2 - 256), bytes(scales))
    return made


def plain_tensors():
    return {"model.norm.weight": st.Tensor("BF16", [8], floats.encode([1.0, -2.0] * 4, "BF16")),
            "lm_head.weight": st.Tensor("BF16", [4, 8], floats.encode([0.5] * 32, "BF16"))}


def write(directory, tensors, config, metadata):
    os.makedirs(directory)
    st.write(os.path.join(directory, "model.safetensors"), tensors, {"format": metadata})
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)


def as_compressed(made):
    tensors = plain_tensors()
    for module, (rows, columns, codes, scales) in made.items():
        tensors[module + ".weight_packed"] = st.Tensor("U8", [rows, columns // 2], codes)
        tensors[module + ".weight_scale"] = st.Tensor("U8", [rows, columns // 32], scales)
    return tensors


def as_mlx(made):
    tensors = plain_tensors()
    for module, (rows, columns, codes, scales) in made.items():
        tensors[module + ".weight"] = st.Tensor("U32", [rows, columns // 8], codes)
        tensors[module + ".scales"] = st.Tensor("U8", [rows, columns // 32], scales)
    return tensors


def compressed_config(activations=False):
    arguments = {"num_bits": 4, "type": "float", "symmetric": True, "strategy": "group", "group_size": 32, "dynamic": False,
                 "scale_dtype": "torch.uint8", "zp_dtype": "torch.uint8"}
    group = {"targets": ["Linear"], "weights": arguments, "input_activations": dict(arguments, dynamic=True) if activations else None,
             "output_activations": None, "format": "mxfp4-pack-quantized"}
    return {**CONFIG, "dtype": "bfloat16", "quantization_config": {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized", "ignore": ["lm_head"],
            "quantization_status": "compressed", "version": "0.14.0", "config_groups": {"group_0": group}}}


def mlx_config():
    mine = {"group_size": 32, "bits": 4, "mode": "mxfp4", "lm_head": False}
    return {**CONFIG, "dtype": "bfloat16", "quantization": mine, "quantization_config": mine}


def values(codes, scales, columns):
    """Rows of exact values (a float holds every one)."""
    flat = [E2M1[code] for byte in codes for code in (byte & 15, byte >> 4)]
    flat = [value * math.ldexp(1.0, scales[at // 32] - 127) for at, value in enumerate(flat)]
    return [flat[at:at + columns] for at in range(0, len(flat), columns)]


HEADS = 4
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
          "num_hidden_layers": 2, "intermediate_size": 64, "vocab_size": 4}


def gguf_name(module):
    layer, leaf = module.split(".")[2], module.split(".", 3)[3]
    return "blk.%s.%s.weight" % (layer, next(short for short, long in gguf.MODULES.items() if long == leaf))


def block_of(pairs, exponent):
    """ggml's block: the exponent, then elements j and j + 16 in byte j."""
    flat = [code for byte in pairs for code in (byte & 15, byte >> 4)]
    return bytes([exponent]) + bytes(flat[j] | flat[j + 16] << 4 for j in range(16))


class Case:
    def __init__(self, program, scratch, name="mxfp4"):
        self.program, self.scratch, self.name, self.lines = program, scratch, name, []

    def say(self, what, problems):
        self.lines.append((not problems, "%s %s: %s%s" % ("FAIL" if problems else "ok  ", self.name, what, "".join("\n     " + text for text in problems[:4]))))

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")

    def convert(self, source, target, *flags):
        """(directory or None, the classes of its tensors, what is wrong)"""
        written = os.path.join(self.scratch, "%s %d" % (target, len(os.listdir(self.scratch))))
        code, out, message = self.run("convert", source, written, "--to", target, "--json", "--verify", *flags)
        if code:
            return None, {}, ["exit %d: %s" % (code, message.strip()[:400])]
        report, problems = json.loads(out), []
        code, out, message = self.run("verify", source, written)
        if code and not (set(flags) & {"--weights-only"}):
            problems.append("verify: exit %d: %s" % (code, (message or out).strip()[:300]))
        return written, {entry["name"]: entry["class"] for entry in report["tensors"]}, problems

    def refused(self, source, target, code, rid, *flags):
        written = os.path.join(self.scratch, "refused")
        found, _, message = self.run("convert", source, written, "--to", target, *flags)
        wrong = [] if found == code and rid in message else ["exit %d, expected %d %s: %s" % (found, code, rid, message.strip()[:300])]
        self.say("%s -> %s is refused" % (os.path.basename(source), " ".join((target,) + flags)), wrong + (["left behind"] if os.path.exists(written) else []))

    def bytes_only(self, source, target, wanted, *flags):
        """The tensors of `wanted`, to the byte, all of class bytes; the directory."""
        written, classes, problems = self.convert(source, target, *flags)
        if written:
            found = st.read_directory(written)[0]
            problems += ["%s differs" % name for name in sorted(set(wanted) | set(found)) if wanted.get(name) != found.get(name)]
            problems += ["%s is called %s" % pair for pair in classes.items() if pair[1] != "bytes"]
        self.say("%s -> %s" % (os.path.basename(source), " ".join((target,) + flags)), problems)
        return written

    def blocks(self, source, made, *flags):
        """Into GGUF: every block's exponent and nibbles, q's rows in pairs; and back into both others. `made`: layers()."""
        written = os.path.join(self.scratch, "file %d.gguf" % len(os.listdir(self.scratch)))
        code, out, message = self.run("convert", source, written, "--to", "gguf", "--json", "--verify", *flags)
        if code:
            return self.say("%s -> gguf" % os.path.basename(source), ["exit %d: %s" % (code, message.strip()[:400])])
        report, file, problems = json.loads(out), gguf.File(written), []
        for module, (rows, columns, codes, scales) in made.items():
            name = gguf_name(module)
            groups = columns // 32
            lines = [b"".join(block_of(codes[16 * at:16 * at + 16], scales[at]) for at in range(row * groups, row * groups + groups)) for row in range(rows)]
            if module.endswith("q_proj"):
                lines = gguf.rows_in_pairs(lines, HEADS)
            if file.tensors.get(name) != ("MXFP4", (columns, rows), b"".join(lines)):
                problems.append("%s differs" % name)
            problems += ["%s is called %s" % (name, entry["class"]) for entry in report["tensors"] if entry["name"] == name and entry["class"] != "bytes"]
        self.say("%s -> gguf" % " ".join((os.path.basename(source),) + flags), problems)
        return written

    def integers(self, source, made, target, bits):
        written, classes, problems = self.convert(source, target, "--bits", str(bits), "--exact")
        found = READERS[target](written).weights if written else {}
        for module, (rows, columns, codes, scales) in made.items() if written else ():
            weight = found[module]
            if (weight.out, weight.in_, weight.bits, weight.groups) != (rows, columns, bits, columns // 32):
                problems.append(module + ": its shape, width or groups")
                continue
            got = [[real for real, _ in row] for row in weight.values()]
            problems += [module + ": values differ"] if got != values(codes, scales, columns) else []
            problems += [module + ": called " + kind for name, kind in classes.items() if name.startswith(module + ".") and kind != "exact"]
        self.say("%s -> %s --bits %d" % (os.path.basename(source), target, bits), problems)

    def dense(self, source, made, zero=-0.0):
        """`zero` is added to the values: 0 takes the sign of -0, which ggml's values have not."""
        written, _, problems = self.convert(source, "hf", "--dtype", "f32")
        found = st.read_directory(written)[0] if written else {}
        for module, (rows, columns, codes, scales) in made.items() if written else ():
            wanted = [value + zero for row in values(codes, scales, columns) for value in row]
            problems += [module + ": values differ"] if found[module + ".weight"].data != floats.encode(wanted, "F32") else []
        self.say("%s -> hf" % os.path.basename(source), problems)


def moves(case, rng, name, exponents):
    """compressed-tensors and MLX, there and back."""
    made = layers(rng, exponents)
    first, second = [os.path.join(case.scratch, "%s %s" % (text, name)) for text in ("compressed-tensors", "mlx")]
    write(first, as_compressed(made), compressed_config(), "pt")
    write(second, as_mlx(made), mlx_config(), "mlx")
    for source, target, wanted, back in ((first, "mlx", as_mlx, as_compressed), (second, "compressed-tensors", as_compressed, as_mlx)):
        written = case.bytes_only(source, target, wanted(made))
        if written:
            case.bytes_only(written, "compressed-tensors" if target == "mlx" else "mlx", back(made))
    case.bytes_only(first, "compressed-tensors", as_compressed(made))
    case.bytes_only(second, "mlx", as_mlx(made))
    return made, first, second


def back(case, source, made):
    """From GGUF: the bytes that there were, the float tensors as GGUF keeps them."""
    plain = {"model.norm.weight": "F32"}
    for target, encode in (("compressed-tensors", as_compressed), ("mlx", as_mlx)):
        wanted = encode(made)
        wanted.update({name: st.Tensor(dtype, wanted[name].shape, floats.encode(floats.decode(wanted[name].data, "BF16"), dtype))
                       for name, dtype in plain.items()})
        case.bytes_only(source, target, wanted)
    for target, widths in INTEGERS.items():
        case.integers(source, made, target, widths[-1])
    case.refused(source, "gptq", 6, "R-FP8")
    case.dense(source, made, 0.0)


def halves(tensor, experts, row_bytes):
    """The even rows of each expert, then the odd ones."""
    rows = [tensor.data[at:at + row_bytes] for at in range(0, len(tensor.data), row_bytes)]
    each = len(rows) // experts
    return [b"".join(row for expert in range(experts) for row in rows[expert * each + which:(expert + 1) * each:2]) for which in (0, 1)]


def gpt_oss(case, rng):
    experts, hidden, wide = 3, 64, 32
    tensors, wanted, prefix = plain_tensors(), plain_tensors(), "model.layers.0.mlp.experts."
    for module, rows, columns in (("gate_up_proj", 2 * wide, hidden), ("down_proj", hidden, wide)):
        groups = columns // 32
        blocks = st.Tensor("U8", [experts, rows, groups, 16], rng.randbytes(experts * rows * groups * 16))
        scales = st.Tensor("U8", [experts, rows, groups], bytes(rng.randint(100, 140) for _ in range(experts * rows * groups)))
        bias = st.Tensor("BF16", [experts, rows], floats.encode([rng.gauss(0, 1) for _ in range(experts * rows)], "BF16"))
        tensors.update({prefix + module + "_blocks": blocks, prefix + module + "_scales": scales, prefix + module + "_bias": bias})
        names = ("gate_proj", "up_proj") if module == "gate_up_proj" else (module,)
        for part, dtype, tensor, last, row_bytes in ((".weight", "U32", blocks, [columns // 8], columns // 2), (".scales", "U8", scales, [groups], groups),
                                                     (".bias", "BF16", bias, [], 2)):
            data = halves(tensor, experts, row_bytes) if len(names) == 2 else [tensor.data]
            wanted.update({prefix + name + part: st.Tensor(dtype, [experts, rows // len(names)] + last, one) for name, one in zip(names, data)})
    source = os.path.join(case.scratch, "gpt-oss")
    write(source, tensors, {"dtype": "bfloat16", "model_type": "gpt_oss", "quantization_config": {"quant_method": "mxfp4"}}, "pt")
    written = case.bytes_only(source, "mlx", wanted)
    config = st.load_json(os.path.join(written, "config.json")) if written else {}
    case.say("gpt-oss -> mlx: config.json", [] if config.get("quantization") == mlx_config()["quantization"] else ["found %s" % config.get("quantization")])
    case.refused(source, "compressed-tensors", 6, "R-EXPERTS")
    case.refused(source, "gptq", 6, "R-EXPERTS")
    case.refused(source, "mlx", 6, "R-EXPERTS", "--bits", "8")
    if written:
        case.bytes_only(written, "mlx", wanted)
        case.refused(written, "hf", 5, "R-EXPERTS")
        case.refused(written, "compressed-tensors", 6, "R-EXPERTS")


def judge(program, scratch):
    """The lines of all cases."""
    os.makedirs(scratch)
    case, rng = Case(program, scratch), random.Random("mxfp4")
    made, first, second = moves(case, rng, "F16 range", F16_EXPONENTS)
    for source in (first, second):
        for target, widths in INTEGERS.items():
            for bits in widths:
                case.integers(source, made, target, bits)
        case.dense(source, made)
        case.refused(source, "gptq", 6, "R-FP8")
        case.refused(source, "awq", 6, "R-FP8")
        case.refused(source, "mlx" if source is first else "compressed-tensors", 6, "R-GROUP", "--group-size", "64")
        written = case.blocks(source, made)
        if written:
            back(case, written, made)
    _, whole, _ = moves(case, rng, "all exponents", ALL_EXPONENTS)
    case.refused(whole, "gguf", 6, "R-E255")
    finite, rest, _ = moves(case, rng, "finite exponents", (0, 254))
    case.blocks(rest, finite)
    case.refused(whole, "gptq", 4, "R-NONFINITE", "--bits", "8")
    case.refused(whole, "hf", 4, "R-NONFINITE", "--dtype", "f32")
    _, wide, _ = moves(case, rng, "beyond F16", (103, 144))
    case.refused(wide, "gptq", 6, "R-SCALE", "--bits", "8")
    active = os.path.join(case.scratch, "MXFP4 activations")
    write(active, as_compressed(made), compressed_config(True), "pt")
    case.bytes_only(active, "compressed-tensors", as_compressed(made))
    case.bytes_only(active, "mlx", as_mlx(made), "--weights-only")
    case.refused(active, "mlx", 6, "R-ACTPARAM")
    case.refused(active, "gguf", 6, "R-ACTPARAM")
    case.blocks(active, made, "--weights-only")
    case.refused(active, "gptq", 6, "R-ACTPARAM", "--bits", "8")
    gpt_oss(case, rng)
    shutil.rmtree(scratch)
    return case.lines
