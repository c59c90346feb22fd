"""Writes a model of models.py as a checkpoint of its format."""
import json
import math
import os
import struct

import awq
import awq_kinds
import bnb
import compressed
import floats
import generate
import gptq
import minifloat
import mlx_affine
import models
import msmodelslim
import st

TORCH = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def anchored(module):
    return "^%s$" % module.replace(".", "\\.")


def linears(plain):
    return sorted(name[:-len(".weight")] for name, tensor in plain.items() if len(tensor.shape) == 2 and "embed" not in name)


def base_config(o):
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": o.hidden, "intermediate_size": o.intermediate, "model_type": "llama",
              "num_attention_heads": 2, "num_hidden_layers": o.layers, "num_key_value_heads": 1, "rms_norm_eps": 1e-06,
              "tie_word_embeddings": False, "torch_dtype": TORCH[o.float_dtype], "vocab_size": 32}
    if o.format == "mxfp4":
        config.update(architectures=["GptOssForCausalLM"], model_type="gpt_oss", num_local_experts=2)
    return config


def old_zeros(weight, qzeros, trap):
    """The v1 zeros of GPTQModel: "- 1" of whole words, which borrows across fields; before 2026-04 with wrong words at 3 bits."""
    count = len(qzeros.data) // 4
    if trap == "old 3-bit zeros":
        qzeros.data = struct.pack("<%dI" % count, *(gptq.OLD_3BIT * (count // 3)))
        return
    lines = [gptq.stream_of([weight.zeros[n][g] for n in range(weight.out)], weight.bits) for g in range(weight.groups)]
    words = struct.unpack("<%dI" % count, b"".join(lines))
    every = sum(1 << at for at in range(0, 32, weight.bits))
    qzeros.data = struct.pack("<%dI" % count, *[(word - every) & 0xFFFFFFFF for word in words])


def gptq_source(o, weights, plain):
    tensors, first = {}, o.bits
    for weight in weights.values():
        tensors.update(gptq.tensors_of(weight, o.format, o.scale_dtype))
        if o.layout == "no g_idx":
            del tensors[weight.name + ".g_idx"]
        elif o.layout == "zero g_idx":
            tensors[weight.name + ".g_idx"].data = bytes(4 * weight.in_)
        elif o.layout == "negative g_idx" and weight.group_of is not None:
            below = [group - weight.groups if k % 3 == 0 else group for k, group in enumerate(weight.group_of)]
            tensors[weight.name + ".g_idx"].data = struct.pack("<%di" % weight.in_, *below)
        if o.trap in ("old 3-bit zeros", "gptqmodel zeros"):
            old_zeros(weight, tensors[weight.name + ".qzeros"], o.trap)
    rules = {"-:" + anchored(module): {} for module in linears(plain)}
    for name, weight in weights.items():
        mine = weight.group or -1
        if weight.bits != first or mine != (o.group if 0 < o.group < weight.in_ else -1):
            rules["+:" + anchored(name)] = {"bits": weight.bits, "group_size": mine}
    config = {"bits": first, "group_size": o.group or -1, "desc_act": o.order is not None, "sym": not o.asym, "lm_head": o.head,
              "quant_method": "gptq", "checkpoint_format": o.format, "pack_dtype": "int32", "dynamic": rules}
    if not rules:
        del config["dynamic"]
    if o.trap == "gptqmodel zeros":
        config["meta"] = {"quantizer": ["gptqmodel:4.0.0"]}
    return tensors, config


def awq_source(o, weights, plain):
    tensors = {}
    for weight in weights.values():
        tensors.update(awq_kinds.tensors_of(weight, o.layout) if o.layout else awq.tensors_of(weight))
    version = {None: "gemm", "llm-awq": "gemv_fast"}.get(o.layout, o.layout)
    config = {"bits": 4, "group_size": o.group or -1, "modules_to_not_convert": linears(plain), "quant_method": "awq", "version": version,
              "zero_point": True}
    if o.layout == "llm-awq":                                     # as its tools say it, and as transformers does
        config.update(o.rng.choice(({}, {"version": "llm-awq"}, {"backend": "llm-awq", "version": "gemm"})))
    config["version"] = o.rng.choice((config["version"], config["version"].upper())) if o.layout else version
    return tensors, config


def compressed_source(o, weights, plain):
    tensors, groups = {}, {}
    layout = "int" if o.activation else "padded" if o.layout in ("padded", "old zeros") else "dense"
    tensor = getattr(o, "tensor_strategy", False)
    for weight in weights.values():
        made = compressed.tensors_of(weight, not o.asym, layout, tensor, o.rng.choice(("I64", "I32")), o.layout == "old zeros")
        if o.order == "unset" and weight.groups > 1:
            made[weight.name + ".weight_g_idx"] = st.Tensor("I32", [weight.in_], struct.pack("<i", -1) * weight.in_)
        tensors.update(made)
        groups.setdefault(json.dumps(compressed.arguments_of(weight, not o.asym, tensor)), []).append(weight.name)
    inputs = None
    if o.activation:
        inputs = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token" if o.activation == "dynamic" else "tensor",
                  "dynamic": o.activation == "dynamic"}
        if o.activation == "static" and any(weight.activation["zero"] for weight in weights.values()):
            inputs["symmetric"] = False
    form = "int-quantized" if o.activation else "pack-quantized"
    config_groups = {}
    for number, (arguments, names) in enumerate(groups.items()):
        if len(groups) == 1:
            targets = ["Linear"]
        else:
            targets = ["re:" + anchored(name)[1:] if o.rng.random() < 0.5 else name for name in names]
        config_groups["group_%d" % number] = {"targets": targets, "weights": json.loads(arguments), "input_activations": inputs,
                                              "output_activations": None}
    left = linears(plain)
    ignore = ["re:.*" + name[-12:] if o.rng.random() < 0.3 and not any(other.endswith(name[-12:]) for other in weights) else name for name in left]
    return tensors, {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed", "ignore": ignore,
                     "config_groups": config_groups, "kv_cache_scheme": None, "global_compression_ratio": None,
                     "version": {"padded": "0.17.1", "old zeros": "0.9.3"}.get(o.layout, "0.19.0")}


def mlx_source(o, weights, plain):
    tensors = {}
    for weight in weights.values():
        tensors.update(mlx_affine.tensors_of(weight))
    return tensors, mlx_affine.config_of(weights, linears(plain))


def dense_source(o, layers):
    """Tensors and quantization_config of bitsandbytes, fp8, mxfp4 or a float model."""
    tensors, rng = {}, o.rng
    block = rng.choice(([16, 32], [32, 32], [128, 128]))
    dtype = rng.choice(("F32", "BF16")) if o.layout == "block" else "F32"
    size = rng.choice((32, 64, 128))
    for module, rows, columns in layers:
        if o.format == "bitsandbytes":
            tensors.update(bnb.random_layer(rng, module, rows, columns, o.layout.split()[0], size, "nested" in o.layout, TORCH[o.float_dtype]))
        elif o.format == "fp8":
            tensors.update(minifloat.random_fp8(rng, module, rows, columns, o.layout, block, dtype))
        else:
            tensors[module + ".weight"] = models.random_float(rng, [rows, columns], o.float_dtype)
    if o.format == "bitsandbytes":
        eight = o.layout == "int8"
        return tensors, {"quant_method": "bitsandbytes", "load_in_4bit": not eight, "load_in_8bit": eight, "bnb_4bit_quant_type": o.layout[:3],
                         "bnb_4bit_use_double_quant": "nested" in o.layout, "bnb_4bit_quant_storage": "uint8", "llm_int8_skip_modules": ["lm_head"]}
    if o.format == "fp8":
        config = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3"}
        if o.layout == "block":
            config["weight_block_size"] = block
        if o.layout in ("channel", "vector"):
            config = {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0, "modules_to_not_convert": ["lm_head"]}
        return tensors, config
    if o.format == "mxfp4":
        for layer in range(o.layers):
            experts = "model.layers.%d.mlp.experts." % layer
            tensors.update(minifloat.random_mxfp4(rng, experts + "gate_up_proj", 2, 2 * o.intermediate, o.hidden))
            tensors.update(minifloat.random_mxfp4(rng, experts + "down_proj", 2, o.hidden, o.intermediate))
            tensors[experts + "gate_up_proj_bias"] = models.random_float(rng, [2, 2 * o.intermediate], o.float_dtype)
        return tensors, {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.embed_tokens", "lm_head"]}
    return tensors, None


def msmodelslim_source(o, weights, plain, directory):
    deq_dtype = "F32" if o.float_dtype == "BF16" else "I64"
    tensors, kinds = dict(plain), {}
    for weight in weights.values():
        bias = plain.get(weight.name + ".bias")
        if weight.groups == 1 and o.layout == "packed" and weight.in_ % 2 and weight.bits == 4:
            raise ValueError("odd")
        made = msmodelslim.tensors_of(weight, o.layout == "packed", deq_dtype, floats.decode(bias.data, bias.dtype) if bias else None)
        kinds.update({name: msmodelslim.kind_of(weight) for name in made})
        tensors.update(made)
    headline = msmodelslim.kind_of(next(iter(weights.values())))
    description = {"model_quant_type": headline}
    if o.layout == "packed":
        description.update({"version": "1.0.0", "group_size": o.group})
    description.update({name: kinds.get(name, "FLOAT") for name in sorted(tensors)})
    suffix = headline.lower()
    name = "quant_model_description%s.json" % ("" if o.layout == "packed" else "_" + suffix)
    generate.write_json(os.path.join(directory, name), description)
    generate.write_shards(directory, "quant_model_weight_" + suffix, tensors, o, None)
    generate.write_json(os.path.join(directory, "config.json"), base_config(o))


def spring_trap(o, weights, config, directory):
    """What a trap changes before anything is written; returns the config."""
    weight = weights[sorted(weights)[o.rng.randrange(len(weights))]]
    row, group = o.rng.randrange(weight.out), o.rng.randrange(weight.groups)
    if o.trap in ("nan scale", "infinite scale"):
        weight.scales[row][group] = math.nan if "nan" in o.trap else math.inf
    if o.trap in ("ambiguous", "top field"):
        per_word = 32 // weight.bits
        for one in weights.values():
            one.zeros = [[max(zero, 1) for zero in line] for line in one.zeros]
        top = row // per_word * per_word + per_word - 1
        row = min(top, weight.out - 1) if o.trap == "top field" else row if row != top else row - 1
        weight.zeros[row][group] = 0
    if o.trap == "zero point range":
        o.layout = "dense"
        for line in weight.zeros:
            line[group] = o.rng.choice((0, (1 << weight.bits) - 1))
    return weight


def write(o, directory):
    """Writes the model; returns its weights."""
    os.makedirs(directory, exist_ok=True)
    weights, plain, layers = models.content(o)
    if o.trap:
        spring_trap(o, weights, None, directory)
    if o.format == "msmodelslim":
        msmodelslim_source(o, weights, plain, directory)
    else:
        if o.format.startswith("gptq"):
            tensors, quantization = gptq_source(o, weights, plain)
        elif o.format == "awq":
            tensors, quantization = awq_source(o, weights, plain)
        elif o.format == "compressed-tensors":
            tensors, quantization = compressed_source(o, weights, plain)
        elif o.format == "mlx":
            tensors, quantization = mlx_source(o, weights, plain)
        else:
            tensors, quantization = dense_source(o, layers)
        if o.trap == "wrong label":
            quantization["checkpoint_format"] = "gptq" if o.format == "gptq_v2" else "gptq_v2"
        if o.trap == "sym and zeros":
            quantization["sym"] = True
        config = base_config(o)
        if o.format == "mlx":
            config["quantization"] = quantization
        if quantization:
            config["quantization_config"] = quantization
        if o.format.startswith("gptq"):
            other = {**quantization, "group_size": 8 * (o.group or 8)} if o.trap == "side file" else quantization
            generate.write_json(os.path.join(directory, "quantize_config.json"), other)
        generate.write_json(os.path.join(directory, "config.json"), config)
        generate.write_shards(directory, "model", {**plain, **tensors}, o, {"format": "mlx" if o.format == "mlx" else "pt"})
    generate.write_json(os.path.join(directory, "tokenizer_config.json"), {"tokenizer_class": "PreTrainedTokenizerFast", "seed": o.seed})
    return weights


