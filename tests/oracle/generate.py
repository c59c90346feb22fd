#!/usr/bin/env python3
"""Writes a small random checkpoint in one of the dialects that repaq reads; the same seed gives the same bytes.

    generate.py DIR --format msmodelslim --seed 7 --bits 4 --group 32 --asym --packed --shards 3 --scale-dtype F32
    generate.py DIR --format gptq --bits 8 --group 32 --act-order
"""
import argparse
import json
import math
import os
import random
import sys

import awq
import floats
import gptq
import msmodelslim
import st
from weight import Weight

MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("directory")
    p.add_argument("--format", choices=("msmodelslim", "awq", "gptq", "gptq_v2"), default="msmodelslim")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--bits", type=int, default=4)
    p.add_argument("--group", type=int, default=32, help="columns of a group; 0: per channel")
    p.add_argument("--asym", action="store_true")
    p.add_argument("--packed", action="store_true", help="msmodelslim version 1.0.0 (two int4 a byte)")
    p.add_argument("--scale-shape", choices=("rows", "flat", "vector", "one", "scalar"), default="rows",
                   help="[N,G], [N*G,1], [N], [1] or []")
    p.add_argument("--scale-dtype", choices=("F32", "F16", "BF16"), default="F32")
    p.add_argument("--float-dtype", choices=("F32", "F16", "BF16"), default="BF16")
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--hidden", type=int, default=64)
    p.add_argument("--intermediate", type=int, default=128)
    p.add_argument("--vocab", type=int, default=48)
    p.add_argument("--shards", type=int, default=1)
    p.add_argument("--zeros", choices=("whole", "positive", "outside", "fraction", "nan", "infinite"), default="whole",
                   help="asym: which zeros occur (positive: none is 0)")
    p.add_argument("--scales", choices=("plain", "exact", "small", "underflow", "overflow", "negative", "nan"), default="plain")
    p.add_argument("--dead", type=float, default=0.0, help="share of groups with scale 0 (asym: a NaN or infinite offset)")
    p.add_argument("--leave", action="append", default=[], help="a linear that stays float: a suffix of its name")
    p.add_argument("--other-bits", action="append", default=[], help="linears with 12 - bits bits")
    p.add_argument("--other-group", action="append", default=[], help="linears with one group a row")
    p.add_argument("--twins", choices=("none", "equal", "different"), default="none", help="norms with `.module.weight`")
    p.add_argument("--norm-bias", choices=("none", "zero", "nonzero"), default="none")
    p.add_argument("--bias", action="store_true", help="q, k and v have a bias")
    p.add_argument("--tied", action="store_true", help="no lm_head.weight")
    p.add_argument("--act-order", action="store_true")
    p.add_argument("--no-g-idx", action="store_true")
    p.add_argument("--kind", default="", help="msmodelslim: another type in the description, such as W8A8")
    p.add_argument("--damage", default="none",
                   choices=("none", "undescribed", "absent", "int4-range", "missing-shard", "truncated", "no-scale"))
    return p


def options(*arguments):
    return parser().parse_args(list(arguments))


def spread(rng, row_count, o):
    """[rows] of one random scale, or all the same where the layer has a single one."""
    def one():
        scale = math.ldexp(rng.uniform(1, 2), rng.randint(-11, -4))
        if o.scales == "exact":
            scale = floats.round_to(scale, "F16") if o.scale_dtype != "BF16" else floats.round_to(scale, "BF16")
        elif o.scales == "small":
            scale = math.ldexp(rng.uniform(1, 2), rng.randint(-23, -15))
        elif o.scales == "negative" and rng.random() < 0.3:
            scale = -scale
        return floats.round_to(scale, o.scale_dtype)
    return [one() for _ in range(row_count)]


def random_weight(rng, name, out, in_, o):
    bits = 12 - o.bits if name.endswith(tuple(o.other_bits or ["\0"])) else o.bits
    group = 0 if name.endswith(tuple(o.other_group or ["\0"])) or o.scale_shape in ("one", "scalar", "vector") else o.group
    groups = in_ // group if group else 1
    top, middle = (1 << bits) - 1, 1 << (bits - 1)
    mask = bytes(byte & top for byte in range(256))
    codes = [rng.randbytes(in_).translate(mask) for _ in range(out)]
    lowest = 1 if o.zeros == "positive" else 0
    zeros = [[float(rng.randint(lowest, top)) if o.asym else float(middle) for _ in range(groups)] for _ in range(out)]
    scales = [spread(rng, groups, o) for _ in range(out)]
    if o.scale_shape in ("one", "scalar"):
        zeros, scales = [zeros[0]] * out, [scales[0]] * out
    group_of = None
    if o.act_order and groups > 1:
        group_of = [k // group for k in range(in_)]
        rng.shuffle(group_of)
    return Weight(name, bits, codes, zeros, scales, o.scale_dtype, group_of)


def spoil(rng, weight, o):
    """One odd group: a zero or a scale that some target or every target must refuse; and dead groups."""
    for row in range(weight.out):
        for group in range(weight.groups):
            if rng.random() < o.dead:
                weight.scales[row][group] = 0.0
                if o.asym and o.format == "msmodelslim":
                    weight.zeros[row][group] = rng.choice((math.nan, math.inf, -math.inf, 300.0))
    row, group = rng.randrange(weight.out), rng.randrange(weight.groups)
    odd_zero = {"outside": -3.0, "fraction": weight.middle + 0.5, "nan": math.nan, "infinite": math.inf}
    odd_scale = {"underflow": 1e-9, "overflow": 1e6, "nan": math.nan}
    if o.zeros in odd_zero:
        weight.zeros[row][group] = odd_zero[o.zeros]
    if o.scales in odd_scale:
        weight.scales[row][group] = floats.round_to(odd_scale[o.scales], o.scale_dtype)
    if (o.zeros in odd_zero or o.scales in odd_scale) and weight.scales[row][group] == 0:
        weight.scales[row][group] = 0.5


def random_floats(rng, shape, o):
    return st.Tensor(o.float_dtype, shape, floats.encode([rng.gauss(0, 0.05) for _ in range(st.product(shape))], o.float_dtype))


def shape_of(module, o):
    small = o.hidden // 2
    return {"q_proj": (o.hidden, o.hidden), "k_proj": (small, o.hidden), "v_proj": (small, o.hidden), "o_proj": (o.hidden, o.hidden),
            "gate_proj": (o.intermediate, o.hidden), "up_proj": (o.intermediate, o.hidden),
            "down_proj": (o.hidden, o.intermediate)}[module.split(".")[-1]]


def content(o):
    """({module: Weight}, {name: Tensor} that every format carries, {name: Tensor} that only msModelSlim writes)"""
    rng = random.Random(o.seed)
    weights, plain, extra = {}, {"model.embed_tokens.weight": random_floats(rng, [o.vocab, o.hidden], o)}, {}
    for layer in range(o.layers):
        prefix = "model.layers.%d." % layer
        for module in MODULES:
            out, in_ = shape_of(module, o)
            if (prefix + module).endswith(tuple(o.leave or ["\0"])):
                plain[prefix + module + ".weight"] = random_floats(rng, [out, in_], o)
            else:
                weights[prefix + module] = random_weight(rng, prefix + module, out, in_, o)
            if o.bias and module.split(".")[-1][0] in "qkv":
                plain[prefix + module + ".bias"] = random_floats(rng, [out], o)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            plain[prefix + norm + ".weight"] = random_floats(rng, [o.hidden], o)
            leftovers(rng, prefix + norm, plain, extra, o)
    plain["model.norm.weight"] = random_floats(rng, [o.hidden], o)
    leftovers(rng, "model.norm", plain, extra, o)
    if not o.tied:
        plain["lm_head.weight"] = random_floats(rng, [o.vocab, o.hidden], o)
    for name in rng.sample(sorted(weights), len(weights)):
        spoil(rng, weights[name], o)
        if o.zeros not in ("whole", "positive") or o.scales in ("underflow", "overflow", "nan"):
            break
    return weights, plain, extra


def leftovers(rng, norm, plain, extra, o):
    if o.norm_bias != "none":
        bias = bytearray(4 * o.hidden)
        if o.norm_bias == "nonzero":
            bias[4 * rng.randrange(o.hidden) + 3] = 0x3C
        extra[norm + ".bias"] = st.Tensor("F32", [o.hidden], bytes(bias))
    if o.twins != "none":
        extra[norm + ".module.bias"] = st.Tensor("F32", [o.hidden], bytes(4 * o.hidden))
        extra[norm + ".module.weight"] = plain[norm + ".weight"] if o.twins == "equal" else random_floats(rng, [o.hidden], o)


def msmodelslim_tensors(weights, o):
    tensors = {}
    for weight in weights.values():
        middle, rows, groups = weight.middle, weight.out, weight.groups
        shape = {"rows": [rows, groups], "flat": [rows * groups, 1], "vector": [rows], "one": [1], "scalar": []}[o.scale_shape]
        count = st.product(shape)
        tensors[weight.name + ".weight"] = msmodelslim.pack(weight, o.packed, shape[-1:] == [1] or not shape)
        for role, values in (("weight_scale", weight.scales), ("weight_offset", [[z - middle for z in row] for row in weight.zeros])):
            flat = [value for row in values for value in row][:count]
            tensors[weight.name + "." + role] = st.Tensor(o.scale_dtype, shape, floats.encode(flat, o.scale_dtype))
    return tensors


def split(tensors, parts):
    """The tensors in name order, in parts of about the same number of bytes."""
    total, position = sum(len(tensor.data) for tensor in tensors.values()), 0
    shards = [{} for _ in range(parts)]
    for name in sorted(tensors):
        shards[min(parts - 1, position * parts // max(total, 1))][name] = tensors[name]
        position += len(tensors[name].data)
    return shards


def write_shards(directory, stem, tensors, o, metadata):
    if o.shards == 1:
        st.write(os.path.join(directory, stem + ".safetensors"), tensors, metadata)
        return
    weight_map = {}
    for number, part in enumerate(split(tensors, o.shards)):
        file = "%s-%05d-of-%05d.safetensors" % (stem, number + 1, o.shards)
        st.write(os.path.join(directory, file), part, metadata)
        weight_map.update({name: file for name in part})
    total = sum(len(tensor.data) for tensor in tensors.values())
    write_json(os.path.join(directory, stem + ".safetensors.index.json"), {"metadata": {"total_size": total}, "weight_map": weight_map})


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=2)


def base_config(o):
    return {"architectures": ["Qwen2ForCausalLM" if o.bias else "LlamaForCausalLM"], "hidden_act": "silu", "hidden_size": o.hidden,
            "intermediate_size": o.intermediate, "max_position_embeddings": 128, "model_type": "qwen2" if o.bias else "llama",
            "num_attention_heads": 2, "num_hidden_layers": o.layers, "num_key_value_heads": 1, "rms_norm_eps": 1e-06,
            "rope_theta": 10000.0, "tie_word_embeddings": o.tied,
            "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[o.float_dtype], "vocab_size": o.vocab}


def write_msmodelslim(directory, weights, plain, extra, o):
    kinds = {name: "W%dA16" % weight.bits for name, weight in weights.items()}
    headline = o.kind or "W%dA16" % o.bits
    tensors = {**plain, **extra, **msmodelslim_tensors(weights, o)}
    description = {"model_quant_type": headline}
    if o.packed:
        description = {"version": "1.0.0", **description}
        if o.group:
            description["group_size"] = o.group
    for name in sorted(tensors):
        module = name.rpartition(".")[0]
        quantized = module in weights and not name.endswith(".bias")
        description[name] = (o.kind or kinds[module]) if quantized else headline if ".module." in name else "FLOAT"
    first = sorted(weights)[0]
    if o.damage == "undescribed":
        del description[first + ".weight"]
    if o.damage == "absent":
        description["model.layers.9.mlp.up_proj.weight"] = headline
    if o.damage == "no-scale":
        del tensors[first + ".weight_scale"]
    if o.damage == "int4-range":
        body = bytearray(tensors[first + ".weight"].data)
        body[5] = 9
        tensors[first + ".weight"].data = bytes(body)
    suffix = headline.lower()
    stem = "quant_model_weight_" + suffix
    write_json(os.path.join(directory, "quant_model_description%s.json" % ("" if o.packed else "_" + suffix)), description)
    write_shards(directory, stem, tensors, o, None)
    config = {**base_config(o), "quantize": suffix, "mla_quantize": suffix}
    write_json(os.path.join(directory, "config.json"), config)


def write_hf(directory, weights, plain, o):
    tensors = dict(plain)
    dialect = o.format
    for weight in weights.values():
        tensors.update(awq.tensors_of(weight) if dialect == "awq" else gptq.tensors_of(weight, dialect, o.scale_dtype))
        if o.no_g_idx:
            del tensors[weight.name + ".g_idx"]
    size = o.group or -1
    left = sorted(name[:-len(".weight")] for name, tensor in plain.items() if len(tensor.shape) == 2 and "embed" not in name)
    if dialect == "awq":
        quantization = {"bits": 4, "group_size": size, "modules_to_not_convert": left, "quant_method": "awq", "version": "gemm",
                        "zero_point": True}
    else:
        quantization = {"bits": o.bits, "group_size": size, "desc_act": o.act_order, "sym": not o.asym, "lm_head": False,
                        "quant_method": "gptq", "checkpoint_format": dialect,
                        "dynamic": {"-:^%s$" % module.replace(".", "\\."): {} for module in left}}
        write_json(os.path.join(directory, "quantize_config.json"), quantization)
    write_json(os.path.join(directory, "config.json"), {**base_config(o), "quantization_config": quantization})
    write_shards(directory, "model", tensors, o, {"format": "pt"})


def generate(o):
    """Writes the checkpoint that the options describe; returns its weights."""
    os.makedirs(o.directory, exist_ok=True)
    if o.format in ("awq", "gptq", "gptq_v2"):
        o.scale_dtype = o.scale_dtype if o.scale_dtype == "BF16" and o.format != "awq" else "F16"
    weights, plain, extra = content(o)
    if o.format == "msmodelslim":
        write_msmodelslim(o.directory, weights, plain, extra, o)
    else:
        write_hf(o.directory, weights, plain, o)
    write_json(os.path.join(o.directory, "tokenizer.json"), {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "seed%d" % o.seed: 1}, "unk_token": "<unk>"}})
    write_json(os.path.join(o.directory, "tokenizer_config.json"), {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"})
    write_json(os.path.join(o.directory, "generation_config.json"), {"do_sample": False})
    shards = sorted(name for name in os.listdir(o.directory) if name.endswith(".safetensors"))
    if o.damage == "missing-shard":
        os.remove(os.path.join(o.directory, shards[-1]))
    if o.damage == "truncated":
        path = os.path.join(o.directory, shards[0])
        os.truncate(path, os.path.getsize(path) * 2 // 3)
    return weights


if __name__ == "__main__":
    generate(parser().parse_args())
    sys.exit(0)
