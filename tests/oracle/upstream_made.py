"""Checkpoints that the upstream tools make now, of every form that the tiny models lack, and float models that repaq quantizes itself."""
import json
import os
import shutil

import torch
from safetensors.torch import load_file, save_file

import upstream_kinds
import upstream_mlx
from upstream_base import NOT_YET, NotYet, differ

HIDDEN, INTERMEDIATE, VOCAB = 128, 192, 64               # 192: blocks of 128 are ragged, and code-book blocks of 128 cross rows
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE,
         "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": VOCAB,
         "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "max_position_embeddings": 128}
UNUSED = ("quant_map", "weight_shape", "weight_format", ".bias", "_bias")      # tables are built in; nested_quant_map differs in one entry only
NAMES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}


def model(seed, dtype):
    """(linear weights by module, other tensors) of a one-layer Llama with random weights."""
    torch.manual_seed(seed)
    shapes = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (64, HIDDEN), "self_attn.v_proj": (64, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
              "mlp.gate_proj": (INTERMEDIATE, HIDDEN), "mlp.up_proj": (INTERMEDIATE, HIDDEN), "mlp.down_proj": (HIDDEN, INTERMEDIATE)}
    linears = {"model.layers.0." + name: (torch.randn(shape) * 0.05).to(dtype) for name, shape in shapes.items()}
    others = {"model.embed_tokens.weight": torch.randn(VOCAB, HIDDEN) * 0.05, "lm_head.weight": torch.randn(VOCAB, HIDDEN) * 0.05}
    for name in ("model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"):
        others[name + ".weight"] = 1 + torch.randn(HIDDEN) * 0.05
    return linears, {name: tensor.to(dtype) for name, tensor in others.items()}


def write(directory, config, tensors, metadata="pt"):
    os.makedirs(directory)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, os.path.join(directory, "model.safetensors"), {"format": metadata})
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)


def compressed(directory, seed, dtype, bits, strategy, group_size, symmetric, form, dynamic=False):
    """compressed-tensors' own observer formula and compressor."""
    from compressed_tensors.compressors.base import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams
    kind = "float" if form.startswith("float") else "int"
    weights = {"num_bits": bits, "type": kind, "strategy": strategy, "group_size": group_size, "symmetric": symmetric, "dynamic": False}
    if strategy == "block":
        weights["block_structure"] = [128, 128]
    inputs = {"num_bits": 8, "type": kind, "strategy": "token", "symmetric": True, "dynamic": True} if dynamic else None
    args = QuantizationArgs(**weights)
    scheme = QuantizationScheme(targets=["Linear"], weights=args, input_activations=QuantizationArgs(**inputs) if inputs else None, format=form)
    linears, tensors = model(seed, dtype)
    for module, weight in linears.items():
        if strategy == "block":
            edge = torch.nn.functional.pad(weight.float(), (0, -weight.shape[1] % 128, 0, -weight.shape[0] % 128))
            view = edge.reshape(edge.shape[0] // 128, 128, -1, 128).transpose(1, 2).flatten(2)
        else:
            view = weight.float().reshape(1, -1) if strategy == "tensor" else weight.float().reshape(weight.shape[0], -1, group_size or weight.shape[1])
        scale, zero = calculate_qparams(view.amin(-1).to(dtype), view.amax(-1).to(dtype), args)
        state = {"weight": weight, "weight_scale": scale.to(dtype), "weight_zero_point": zero}
        for role, tensor in BaseCompressor.get_value_from_registry(form).compress(state, scheme).items():
            tensors[module + "." + role] = tensor
    groups = {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": inputs, "output_activations": None, "format": form}}
    write(directory, {**LLAMA, "torch_dtype": NAMES[dtype], "quantization_config": {
        "quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed", "config_groups": groups, "ignore": ["lm_head"],
        "kv_cache_scheme": None, "global_compression_ratio": None, "version": "0.20.0"}}, tensors)


def mlx(directory, seed, dtype, bits, group_size, integer=False):
    """mx.quantize; with `integer`, codes as a conversion of symmetric integers would leave them: bias = -2^(b-1) * s."""
    linears, tensors = model(seed, dtype)
    for module, weight in linears.items():
        if weight.shape[1] % group_size:
            tensors[module + ".weight"] = weight
            continue
        packed, scales, biases = upstream_mlx.quantize(weight, bits, group_size)
        biases = -(1 << (bits - 1)) * scales if integer else biases
        tensors.update({module + ".weight": packed.view(torch.uint32), module + ".scales": scales, module + ".biases": biases})
    own = {"group_size": group_size, "bits": bits, "mode": "affine"}
    for module in [name for name in linears if module_is_float(tensors, name)] + ["lm_head", "model.embed_tokens"]:
        own[module] = False
    write(directory, {**LLAMA, "torch_dtype": NAMES[dtype], "quantization": own, "quantization_config": own}, tensors, "mlx")


def module_is_float(tensors, module):
    return module + ".scales" not in tensors


def bnb(directory, seed, dtype, kind, nested=False, blocksize=64):
    import bitsandbytes.functional as functional
    linears, tensors = model(seed, dtype)
    for module, weight in linears.items():
        if kind == "int8":
            codes, scb, _ = functional.int8_vectorwise_quant(weight.half())
            tensors.update({module + ".weight": codes, module + ".SCB": scb, module + ".weight_format": torch.tensor(0, dtype=torch.uint8)})
            continue
        packed, state = functional.quantize_4bit(weight, blocksize=blocksize, compress_statistics=nested, quant_type=kind)
        tensors[module + ".weight"] = packed
        tensors.update({module + ".weight." + role: tensor for role, tensor in state.as_dict(packed=True).items()})
    quantization = {"quant_method": "bitsandbytes", "load_in_4bit": kind != "int8", "load_in_8bit": kind == "int8", "bnb_4bit_quant_type": kind,
                    "bnb_4bit_use_double_quant": nested, "bnb_4bit_compute_dtype": NAMES[dtype], "bnb_4bit_quant_storage": "uint8"}
    if kind == "int8":
        quantization = {key: value for key, value in quantization.items() if not key.startswith("bnb")}
    write(directory, {**LLAMA, "torch_dtype": NAMES[dtype], "quantization_config": quantization}, tensors)


def fp8(directory, seed, dtype, kind, scale_dtype=torch.float32):
    """kind: tensor, channel ([N, 1]), vector ([N]), block (128 x 128, ragged) or even (64 x 64)."""
    linears, tensors = model(seed, dtype)
    size = {"block": 128, "even": 64}.get(kind)
    for module, weight in linears.items():
        wide = weight.float()
        if size:
            rows, columns = -(-wide.shape[0] // size), -(-wide.shape[1] // size)
            edge = torch.nn.functional.pad(wide, (0, columns * size - wide.shape[1], 0, rows * size - wide.shape[0]))
            scale = edge.reshape(rows, size, columns, size).abs().amax((1, 3)) / 448
            full = scale.to(scale_dtype).float().repeat_interleave(size, 0).repeat_interleave(size, 1)[:wide.shape[0], :wide.shape[1]]
        else:
            scale = wide.abs().amax() / 448 if kind == "tensor" else wide.abs().amax(1, keepdim=True) / 448
            full = scale.to(scale_dtype).float()
        tensors[module + ".weight"] = (wide / full).to(torch.float8_e4m3fn)
        tensors[module + (".weight_scale_inv" if size else ".weight_scale")] = (scale[:, 0] if kind == "vector" else scale).to(scale_dtype)
    quantization = {"quant_method": "fbgemm_fp8" if kind == "channel" else "fp8", "activation_scheme": "dynamic", "fmt": "e4m3",
                    "modules_to_not_convert": ["lm_head"]}
    if size:
        quantization["weight_block_size"] = [size, size]
    write(directory, {**LLAMA, "torch_dtype": NAMES[dtype], "quantization_config": quantization}, tensors)


def mxfp4(directory, seed):
    """gpt-oss: every code, and scale bytes from 0 to 150, with which the model still has finite logits; transformers builds the names and shapes of the rest."""
    from transformers import AutoConfig, AutoModelForCausalLM
    torch.manual_seed(seed)
    config = {"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 64, "num_local_experts": 4, "num_experts_per_tok": 2,
              "tie_word_embeddings": False, "layer_types": ["sliding_attention", "full_attention"]}
    float_model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), dtype=torch.bfloat16)
    tensors = {}
    for name, tensor in float_model.state_dict().items():
        if name.endswith(("gate_up_proj", "down_proj")):
            experts, columns, rows = tensor.shape
            tensors[name + "_blocks"] = torch.randint(0, 256, (experts, rows, columns // 32, 16), dtype=torch.uint8)
            tensors[name + "_scales"] = torch.randint(110, 128, (experts, rows, columns // 32), dtype=torch.uint8)
            tensors[name + "_scales"].view(-1)[:4] = torch.tensor([0, 1, 100, 150], dtype=torch.uint8)
        else:
            tensors[name] = tensor.clone()
    write(directory, {**config, "torch_dtype": "bfloat16", "quantization_config": {
        "quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}}, tensors)


def mxfp4_packed(directory, seed, maker):
    """The compressor of compressed-tensors, or mx.quantize. Exponents are BF16's with every product: the one decompresses in BF16."""
    linears, tensors = model(seed, torch.bfloat16)
    for module, weight in linears.items():
        scale = (weight.float().reshape(weight.shape[0], -1, 32).abs().amax(-1) / 6).log2().ceil().exp2()
        if maker == "mlx":
            packed, scales = upstream_mlx.quantize_mxfp4(weight)
            tensors[module + ".weight"], tensors[module + ".scales"] = packed, scales
            continue
        from compressed_tensors.compressors.base import BaseCompressor
        from compressed_tensors.quantization import QuantizationScheme
        from compressed_tensors.quantization.quant_scheme import MXFP4A16
        scheme = QuantizationScheme(targets=["Linear"], format="mxfp4-pack-quantized", **MXFP4A16)
        state = BaseCompressor.get_value_from_registry("mxfp4-pack-quantized").compress({"weight": weight, "weight_scale": scale.to(torch.bfloat16)}, scheme)
        tensors.update({module + "." + part: tensor for part, tensor in state.items() if tensor is not None})
        group = json.loads(scheme.model_dump_json())
    if maker == "mlx":
        mine = {"group_size": 32, "bits": 4, "mode": "mxfp4", "lm_head": False}
        write(directory, {**LLAMA, "torch_dtype": "bfloat16", "quantization": mine, "quantization_config": mine}, tensors, "mlx")
        return
    write(directory, {**LLAMA, "torch_dtype": "bfloat16", "quantization_config": {
        "quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized", "quantization_status": "compressed", "ignore": ["lm_head"],
        "version": "0.19.0", "config_groups": {"group_0": group}}}, tensors)


F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
MADE = [(compressed, dtype, bits, strategy, group, symmetric, "pack-quantized") for dtype, bits, strategy, group, symmetric in (
            (BF16, 2, "group", 32, False), (F16, 3, "group", 64, True), (F32, 4, "group", 32, False), (BF16, 4, "channel", None, False),
            (F16, 5, "group", 64, False), (BF16, 6, "channel", None, True), (F32, 7, "group", 64, True), (F16, 8, "group", 64, False))]
MADE += [(compressed, BF16, 8, "channel", None, True, "int-quantized", True), (compressed, F32, 8, "channel", None, False, "int-quantized", True),
         (compressed, BF16, 8, "tensor", None, True, "float-quantized", True), (compressed, BF16, 8, "channel", None, True, "float-quantized", True),
         (compressed, F32, 8, "block", None, True, "float-quantized", True)]
MADE += [(mlx, dtype, bits, group) for dtype, bits, group in (
            (BF16, 2, 32), (F16, 3, 64), (F32, 4, 32), (F16, 5, 32), (BF16, 6, 64), (F32, 8, 64), (BF16, 8, 64))]
MADE += [(mlx, F16, 4, 32, True), (mlx, F32, 8, 64, True), (mlx, BF16, 3, 64, True)]
MADE += [(bnb, BF16, "nf4"), (bnb, F16, "fp4", False, 64), (bnb, F32, "nf4", True), (bnb, BF16, "fp4", True, 128), (bnb, F32, "nf4", False, 256),
         (bnb, F16, "int8"), (bnb, BF16, "int8")]
MADE += [(fp8, BF16, "tensor"), (fp8, BF16, "channel"), (fp8, F16, "vector"), (fp8, BF16, "block"), (fp8, F32, "block", BF16), (fp8, BF16, "even")]
MADE += [(mxfp4,), (mxfp4_packed, "compressed-tensors"), (mxfp4_packed, "mlx")]

# What repaq quantizes itself, round to nearest: target, options
QUANTIZED = [("mlx", bits, group, False) for bits, group in ((2, 32), (3, 64), (4, 64), (5, 32), (6, 64), (8, 32))]
QUANTIZED += [("awq", 4, 64, False), ("awq", 4, 32, True), ("gptq", 4, 64, False), ("gptq", 8, -1, False), ("gptq_v2", 3, 32, True), ("gptq_v2", 2, 64, True),
              ("compressed-tensors", 4, 64, True), ("compressed-tensors", 8, -1, False), ("msmodelslim", 4, 64, True), ("msmodelslim", 8, -1, False)]


def describe(maker, rest):
    words = [NAMES.get(word, str(word)) if isinstance(word, torch.dtype) else str(word) for word in rest]
    return "made by %s: %s" % (maker.__name__, " ".join(words))


def run(matrix, scratch):
    for number, (maker, *rest) in enumerate(MADE):
        name, directory = describe(maker, rest), os.path.join(scratch, str(number))
        if matrix.only in name:
            maker(directory, 100 + number, *rest)
            matrix.case("%s: damage is noticed" % name, lambda: damaged(directory))
            matrix.source(name, directory)
            if maker is mxfp4_packed:
                for target, bits in (("gptq", 8), ("gptq_v2", 8), ("compressed-tensors", 8), ("compressed-tensors", 5), ("mlx", 8), ("mlx", 6)):
                    matrix.case("%s -> %s --bits %d" % (name, target, bits), lambda: integers(matrix, directory, target, bits))
            shutil.rmtree(directory)
    for number, dtype in enumerate((BF16, F32, F16)):
        directory = os.path.join(scratch, "float-%d" % number)
        linears, others = model(200 + number, dtype)
        write(directory, {**LLAMA, "torch_dtype": NAMES[dtype]}, {**{name + ".weight": weight for name, weight in linears.items()}, **others})
        for target, bits, group, asym in QUANTIZED:
            case = "%s quantized into %s --bits %d --group-size %d%s" % (NAMES[dtype], target, bits, group, " --asym" if asym else "")
            if not matrix.wants(case, target):
                continue
            if target not in matrix.formats.write or bits not in matrix.formats.bits[target]:
                matrix.say("%s: not written yet" % case, None)
                continue
            options = {"--bits": str(bits), "--group-size": str(group), **({"--asym": ""} if asym else {})}
            matrix.case(case, lambda: quantized(matrix, directory, linears, target, bits, group, asym, options))


def integers(matrix, directory, target, bits):
    """MXFP4 as wider integers: the same numbers, by the tools of both."""
    written, code, said = matrix.convert(directory, target, {"--bits": str(bits), "--exact": ""})
    if code != 0:
        return ["exit %d: %s" % (code, said.strip())]
    try:
        source, found = upstream_kinds.read(directory), upstream_kinds.read(written)
        problems = [] if set(found.weights) == set(source.weights) else ["other weights"]
        for name in source.weights:
            problems += ["%s: %d bits" % (name, found.bits[name])] if found.bits[name] != bits else []
            problems += differ(name, found.values(name, torch.Tensor.double), source.float(name, torch.float32).double())
        return problems
    finally:
        shutil.rmtree(written, ignore_errors=True)


def damaged(directory):
    """A judge must judge: one bit of any tensor of a weight changes what upstream reads. [] or the roles whose damage is not noticed."""
    path = os.path.join(directory, "model.safetensors")
    whole = upstream_kinds.read(directory)
    name, problems = whole.weights[0], []
    wanted, stored = whole.float(name, torch.float32), load_file(path)
    with open(path, "rb") as file:
        kept = file.read()
    for key in sorted(stored):
        if not key.startswith((name + ".", name + "_")) or key.endswith(UNUSED):
            continue
        tensor = stored[key].clone()
        tensor.view(-1).view(torch.uint8)[0 if tensor.dim() < 2 else tensor.shape[-1] * tensor.element_size() // 2] ^= 0x11
        save_file({**stored, key: tensor}, path, {"format": "mlx" if whole.format == "mlx" else "pt"})
        try:
            found = upstream_kinds.read(directory).float(name, torch.float32)
            problems += [key + " was changed and nothing noticed it"] if torch.equal(found, wanted) else []
        except Exception:                        # noticed in another way
            pass
    with open(path, "wb") as file:
        file.write(kept)
    return problems


def quantized(matrix, directory, linears, target, bits, group, asym, options):
    written, code, said = matrix.convert(directory, target, options)
    if any(words in said for words in NOT_YET if code in (2, 5)):
        raise NotYet(said.strip().split("\n")[0])
    if code != 0:
        return ["exit %d: %s" % (code, said.strip())]
    try:
        found, problems = upstream_kinds.read(written), []
        if set(found.weights) != set(linears):
            return ["other weights: %s" % sorted(set(found.weights) ^ set(linears))]
        for name, weight in linears.items():
            if target == "mlx":
                packed, scales, biases = upstream_mlx.quantize(weight, bits, group)
                for role, wanted in (("weight", packed), ("scales", scales), ("biases", biases)):
                    got = upstream_mlx.to_torch(found.arrays[name + "." + role])
                    problems += differ("%s.%s" % (name, role), got.view(torch.int32) if role == "weight" else got, wanted, bits=True)
            else:
                got = found.values(name, torch.Tensor.double)
                either = [differ(name, got, nearest(weight, bits, group, asym, found.scales(name).dtype, late)) for late in (False, True)]
                problems += [] if [] in either else either[0]
        return problems
    finally:
        shutil.rmtree(written, ignore_errors=True)


def nearest(weight, bits, group, asym, dtype, late):
    """Round to nearest as the command line promises; `late` takes the zero from the rounded scale. F64 of what F32 arithmetic gives."""
    wide = weight.float().reshape(weight.shape[0], -1, weight.shape[1] if group == -1 else group)
    if asym:
        low, high = wide.amin(-1).clamp(max=0), wide.amax(-1).clamp(min=0)
        scale = (high - low) / ((1 << bits) - 1)
        zero = (-low / (scale.to(dtype).float() if late else scale)).round()
    else:
        scale = wide.abs().amax(-1) / ((1 << (bits - 1)) - 1)
        zero = torch.full_like(scale, 1 << (bits - 1))
    scale = scale.to(dtype).float()
    codes = ((wide / scale[..., None]).round() + zero[..., None]).clamp(0, (1 << bits) - 1)
    return ((codes - zero[..., None]).double() * scale[..., None].double()).reshape(weight.shape)
