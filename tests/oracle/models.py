"""Random models for the matrix, one for each seed: what a source of a kind may hold, traps included.

A model is drawn from its seed alone. Its text is its name in the cases; the weights are small, as the plain readers are slow.
"""
import math
import random
import types

import floats
import mlx_affine
import st
from weight import Weight

KINDS = ("gptq", "compressed-tensors", "msmodelslim", "mlx", "awq", "gptq_v2", "hf", "W8A8 compressed-tensors", "awq other", "bitsandbytes",
         "W8A8 msmodelslim", "fp8", "gptq trap", "mxfp4", "compressed-tensors trap", "trap")
MODULES = {"self_attn.q_proj": ("hidden", "hidden"), "self_attn.k_proj": ("half", "hidden"), "self_attn.o_proj": ("hidden", "hidden"),
           "mlp.up_proj": ("intermediate", "hidden"), "mlp.down_proj": ("hidden", "intermediate")}
EXPERTS = {"self_attn.qkv_proj": ("twice", "hidden"), "self_attn.o_proj": ("hidden", "hidden"), "mlp.experts.0.up_proj": ("intermediate", "hidden"),
           "mlp.experts.0.down_proj": ("hidden", "intermediate"), "mlp.experts.10.up_proj": ("intermediate", "hidden"),
           "mlp.experts.10.down_proj": ("hidden", "intermediate"), "mlp.shared_expert.up_proj": ("half", "hidden")}
ROUTERS = {"mlp.gate.weight": (3, "hidden"), "mlp.shared_expert_gate.weight": (1, "hidden"), "mlp.experts.gate_up_proj": (2, "half", "hidden"),
           "linear_attn.conv1d.weight": ("half", 1, 4)}
ANY = ("F32", "F16", "BF16")


def pick(rng, *choices):
    return rng.choice(choices)


def draw(seed):
    """The options of the model of a seed."""
    rng = random.Random("model %d" % seed)
    kind = KINDS[seed % len(KINDS)]
    o = types.SimpleNamespace(seed=seed, kind=kind, rng=rng, format=kind.split()[-1] if kind.startswith("W8A8") else kind.split()[0], trap=None,
                              bits=4, other_bits=None, group=pick(rng, 0, 16, 32, 32, 64, 64), other_group=None, asym=rng.random() < 0.6,
                              lowest=0, order=None, scale_dtype=pick(rng, *ANY), float_dtype=pick(rng, *ANY), scales="plain", dead=0.0,
                              hidden=pick(rng, 64, 64, 128), intermediate=pick(rng, 64, 96, 128, 192), layers=pick(rng, 1, 1, 2), vocab=16, shards=pick(rng, 1, 1, 2),
                              leave=[], head=False, bias=rng.random() < 0.3, layout=None, activation=None)
    o.scales = pick(rng, "plain", "plain", "exact", "negative", "small", "underflow" if rng.random() < 0.3 else "plain")
    if rng.random() < 0.3:
        o.leave = [pick(rng, "mlp.down_proj", "layers.0.self_attn.k_proj")]
    if rng.random() < 0.15:
        o.dead = 0.2
    DRAW[o.format](rng, o)
    o.moe = random.Random("experts %d" % seed).random() < 0.25 and o.format != "mxfp4"
    if "trap" in kind:
        set_trap(rng, o)
    return o


def draw_gptq(rng, o):
    o.bits = pick(rng, 2, 3, 3, 4, 4, 8)
    o.scale_dtype = pick(rng, "F16", "F16", "F16", "BF16")
    o.lowest = 1 if o.format == "gptq" else 0
    if o.group and rng.random() < 0.35:
        o.order = pick(rng, "permuted", "permuted", "loose", "static")
    o.layout = pick(rng, "g_idx", "g_idx", "g_idx", "no g_idx", "zero g_idx") if o.order is None else pick(rng, "g_idx", "g_idx", "negative g_idx")
    o.head = rng.random() < 0.2
    if rng.random() < 0.3:
        o.other_bits = pick(rng, 2, 4, 8)
    if rng.random() < 0.2:
        o.other_group = pick(rng, 16, 32, 0)
    if rng.random() < 0.15 and o.order is None and o.layout == "g_idx":
        o.group, o.intermediate = 64, pick(rng, 96, 160)         # the last group is short


def draw_awq(rng, o):
    o.scale_dtype = "F16"
    o.lowest = pick(rng, 0, 0, 1)
    o.intermediate = pick(rng, 64, 128, 192)
    if o.kind == "awq other":
        o.layout = ("gemv", "gemv_fast", "llm-awq")[o.seed // len(KINDS) % 3]
        o.group, o.hidden, o.intermediate = pick(rng, 0, 32, 32, 64, 128), 128, pick(rng, 128, 256, 384)
        o.scale_dtype = pick(rng, "F16", "BF16") if o.layout == "llm-awq" else "F16"
        o.dead, o.scales = pick(rng, 0.0, 0.0, 0.2), pick(rng, "exact", "plain", "plain", "negative", "small")


def draw_compressed(rng, o):
    if o.kind.startswith("W8A8"):
        return draw_activation(rng, o)
    o.bits = pick(rng, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 8)
    o.layout = pick(rng, "dense", "dense", "padded", "old zeros")
    if o.layout == "old zeros":                                  # versions that had 4 and 8 bits only
        o.bits = pick(rng, 4, 8)
    o.tensor_strategy = rng.random() < 0.25
    if o.tensor_strategy:
        o.group = 0
    if o.group and rng.random() < 0.25:
        o.order = pick(rng, "permuted", "unset")
    if rng.random() < 0.3:
        o.other_bits = pick(rng, 4, 8)
    if rng.random() < 0.2 and not o.order:
        o.other_group = pick(rng, 16, 64, 0)
    if rng.random() < 0.2 and o.other_bits is None:
        o.hidden, o.intermediate, o.group = 40, 72, pick(rng, 8, 0)     # rows that end within a word
    o.head = rng.random() < 0.2
    o.lowest = pick(rng, 0, 0, 1)


def draw_activation(rng, o):
    o.bits, o.group, o.dead, o.asym = 8, 0, 0.0, False
    o.activation = pick(rng, "static", "static", "dynamic")
    o.layout = pick(rng, "packed", "unpacked")
    o.scale_dtype = "F32" if o.format == "msmodelslim" else pick(rng, "F32", "BF16")
    o.float_dtype = pick(rng, "F16", "BF16") if o.format == "msmodelslim" else o.float_dtype


def draw_msmodelslim(rng, o):
    if o.kind.startswith("W8A8"):
        return draw_activation(rng, o)
    o.bits = pick(rng, 4, 4, 8)
    o.layout = pick(rng, "packed", "packed", "unpacked")
    o.intermediate = pick(rng, 64, 128, 192)
    o.lowest = pick(rng, 0, 1, -2)
    if rng.random() < 0.2:
        o.other_bits = 12 - o.bits


def draw_mlx(rng, o):
    o.bits, o.group = pick(rng, *mlx_affine.BITS), pick(rng, 32, 64)
    o.layout = pick(rng, "made", "integer", "symmetric", "symmetric")
    o.asym, o.dead = o.layout == "integer", 0.0
    o.intermediate = pick(rng, 64, 128, 192)
    if o.layout == "integer":
        o.scale_dtype = "F32"
        o.scales = "exact"
    if rng.random() < 0.3:
        o.other_bits = pick(rng, 4, 8)
    o.head = rng.random() < 0.3


def draw_dense(rng, o):
    o.dead, o.shards = 0.0, 1
    o.layout = {"bitsandbytes": ("nf4", "nf4 nested", "fp4", "fp4 nested", "int8"), "fp8": ("block", "tensor", "scalar", "channel", "vector"),
                "mxfp4": ("blocks",), "hf": ("float",)}[o.format]
    o.layout = rng.choice(o.layout)
    o.hidden, o.intermediate = (64, 96) if o.format in ("mxfp4", "hf") else (pick(rng, 40, 64), pick(rng, 72, 96, 130))


DRAW = {"gptq": draw_gptq, "gptq_v2": draw_gptq, "awq": draw_awq, "compressed-tensors": draw_compressed, "msmodelslim": draw_msmodelslim,
        "mlx": draw_mlx, "bitsandbytes": draw_dense, "fp8": draw_dense, "mxfp4": draw_dense, "hf": draw_dense, "trap": draw_gptq}


def set_trap(rng, o):
    """One thing that must be noticed."""
    o.other_bits = o.other_group = None
    if o.kind == "gptq trap":
        o.trap, o.bits, o.asym, o.lowest, o.dead = pick(rng, "ambiguous", "ambiguous", "top field"), pick(rng, 2, 4, 8), True, 0, 0.0
        o.scales = "exact"
    elif o.kind == "compressed-tensors trap":
        o.trap, o.asym, o.dead = pick(rng, "nan scale", "zero point range", "order without groups"), True, 0.0
        o.group, o.tensor_strategy = o.group or 32, False
        o.order = "loose" if o.trap == "order without groups" else None
    else:
        o.trap = pick(rng, "nan scale", "side file", "wrong label", "loose order", "infinite scale", "sym and zeros", "old 3-bit zeros",
                      "gptqmodel zeros")
        o.format = pick(rng, "gptq", "gptq_v2", "gptq", "awq" if "scale" in o.trap else "gptq_v2")
        o.lowest, o.dead, o.bits = 1, 0.0, 4
        o.order, o.layout = None, "g_idx" if o.format != "awq" else None
        if o.format == "awq":
            o.scale_dtype, o.head = "F16", False
        if o.trap == "loose order":
            o.order, o.group = "loose", o.group or 32
        if o.trap == "old 3-bit zeros":
            o.format, o.bits, o.asym = "gptq", 3, False
        if o.trap == "gptqmodel zeros":
            o.format, o.bits, o.asym, o.lowest = "gptq", pick(rng, 2, 4, 8), True, 0
        if o.trap == "wrong label":
            o.asym = False
        if o.trap == "sym and zeros":
            o.asym = True


def text_of(o):
    words = ["#%d" % o.seed, o.kind if o.kind != "trap" else o.format, "%d" % o.bits + ("+%d" % o.other_bits if o.other_bits else "") + " bits",
             "g%d" % o.group + ("+%d" % o.other_group if o.other_group is not None else ""), "asym" if o.asym else "sym", o.scale_dtype, o.scales,
             "%dx%d" % (o.hidden, o.intermediate)]
    for value in (o.layout, o.order, o.activation, o.trap and "TRAP " + o.trap, "tensor" if getattr(o, "tensor_strategy", False) else None,
                  "head" if o.head else None, "leave " + o.leave[0] if o.leave else None, "dead" if o.dead else None):
        words += [value] if value else []
    return " ".join(words)


def one_scale(rng, o):
    scale = math.ldexp(rng.uniform(1, 2), rng.randint(-11, -4))
    if o.scales == "exact":
        scale = math.ldexp(rng.randrange(1 << 7, 1 << 8), rng.randint(-16, -12))       # 8 bits: exact in all three
    elif o.scales == "small":
        scale = math.ldexp(rng.uniform(1, 2), rng.randint(-20, -14))
    elif o.scales == "negative" and rng.random() < 0.3:
        scale = -scale
    return floats.round_to(scale, o.scale_dtype)


def group_order(rng, order, columns, size):
    plain = [k // size for k in range(columns)]
    if order == "permuted":
        rng.shuffle(plain)
        return plain
    if order == "loose":                     # any group for any column: no group has its number of members
        return [rng.randrange(-(-columns // size)) for _ in range(columns)]
    return None


def random_weight(rng, name, rows, columns, bits, group, o):
    size = group if 0 < group < columns else columns
    groups, top, middle = -(-columns // size), (1 << bits) - 1, 1 << (bits - 1)
    mask = bytes(byte & top for byte in range(256))
    codes = [rng.randbytes(columns).translate(mask) for _ in range(rows)]
    zeros = [[rng.randint(o.lowest, top) if o.asym else middle for _ in range(groups)] for _ in range(rows)]
    scales = [[one_scale(rng, o) if rng.random() >= o.dead else 0.0 for _ in range(groups)] for _ in range(rows)]
    if getattr(o, "tensor_strategy", False):
        zeros, scales = [zeros[0][:1] for _ in range(rows)], [scales[0][:1] for _ in range(rows)]
    if o.format == "msmodelslim" and o.lowest < 0 and o.asym and rng.random() < 0.5:
        zeros = [[max(zero, 0) for zero in row] for row in zeros]
    of = group_order(rng, o.order, columns, size) if groups > 1 else None
    weight = Weight(name, bits, codes, zeros, scales, o.scale_dtype, of, None, size)
    if o.activation:
        static = o.activation == "static"
        weight.activation = {"dynamic": not static, "scale": floats.single(rng.uniform(0.01, 0.2)) if static else None,
                             "zero": rng.choice((0, rng.randint(-40, 40))) if static else 0}
    if o.format == "mlx":
        make_biases(rng, weight, o)
    return weight


def make_biases(rng, weight, o):
    if o.layout == "made":
        codes, weight.scales, weight.biases = [], [], []
        for _ in range(weight.out):
            width = weight.group or weight.in_
            parts = [mlx_affine.quantize([floats.round_to(rng.gauss(0, 0.05), o.scale_dtype) for _ in range(width)], weight.bits) for _ in range(weight.in_ // width)]
            weight.scales.append([floats.round_to(part[0], o.scale_dtype) for part in parts])
            weight.biases.append([floats.round_to(part[1], o.scale_dtype) for part in parts])
            codes.append(b"".join(part[2] for part in parts))
        weight.codes = codes
    else:
        weight.biases = [[floats.round_to(-z * s, o.scale_dtype) for z, s in zip(*rows)] for rows in zip(weight.zeros, weight.scales)]
    weight.zeros = None


def random_float(rng, shape, dtype):
    return st.Tensor(dtype, shape, floats.encode([rng.gauss(0, 0.05) for _ in range(st.product(shape))], dtype))


def sizes_of(o):
    return {"hidden": o.hidden, "half": o.hidden // 2, "twice": 2 * o.hidden, "intermediate": o.intermediate}


def layers_of(o):
    """(module, rows, columns) of every Linear of the decoder, and of lm_head"""
    sizes = sizes_of(o)
    for layer in range(o.layers):
        for module, (rows, columns) in (EXPERTS if o.moe else MODULES).items():
            yield "model.layers.%d.%s" % (layer, module), sizes[rows], sizes[columns]
    yield "lm_head", 32, o.hidden


def routers_of(o):
    """(name, shape) of what stands beside the experts and stays float: routers, a stack of matrices, a convolution"""
    sizes = sizes_of(o)
    for layer in range(o.layers if o.moe else 0):
        for name, shape in ROUTERS.items():
            yield "model.layers.%d.%s" % (layer, name), [sizes.get(size, size) for size in shape]


def content(o):
    """({module: Weight}, {name: Tensor}, [(module, rows, columns)] that a Dense format fills)"""
    rng, weights, plain, layers = o.rng, {}, {}, []
    plain["model.embed_tokens.weight"] = random_float(rng, [32, o.hidden], o.float_dtype)
    plain["model.norm.weight"] = random_float(rng, [o.hidden], o.float_dtype)
    for name, shape in routers_of(o):
        plain[name] = random_float(rng, shape, o.float_dtype)
    dense = o.format in ("bitsandbytes", "fp8", "mxfp4", "hf")
    for module, rows, columns in layers_of(o):
        if (module == "lm_head" and not o.head) or module.endswith(tuple(o.leave or ["\0"])) or (o.format == "mxfp4" and "mlp" in module):
            if not (o.format == "mxfp4" and "mlp" in module):
                plain[module + ".weight"] = random_float(rng, [rows, columns], o.float_dtype)
        elif dense:
            layers.append((module, rows, columns))
        else:
            odd = module.endswith("up_proj")
            bits = o.other_bits if odd and o.other_bits else o.bits
            group = o.other_group if odd and o.other_group is not None else o.group
            weights[module] = random_weight(rng, module, rows, columns, bits, group, o)
        if o.bias and module.endswith(("q_proj", "k_proj", "qkv_proj", "experts.10.down_proj")):
            plain[module + ".bias"] = random_float(rng, [rows], o.float_dtype)
    return weights, plain, layers
