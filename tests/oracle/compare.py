"""Holds what repaq wrote against its source: every code, zero, scale and carried tensor, and the directory around them."""
import json
import os
import re

import floats
import st

SIDE_CONFIGS = {"quantize_config.json", "quant_config.json"}
NOT_CARRIED = re.compile(r".*\.(safetensors|bin|pth|pt|gguf)$|.*\.index\.json$|quant_model_description.*\.json$|repaq-manifest\.json$")


def compare_weight(a, b):
    """What is wrong with b, written from a; nothing: it stands for the same integers, and for a's scales rounded to b's dtype."""
    where = a.name
    if (a.out, a.in_) != (b.out, b.in_):
        return ["%s: [%d][%d] became [%d][%d]" % (where, a.out, a.in_, b.out, b.in_)]
    if b.groups % a.groups or a.group_of != b.group_of or (a.group_of is not None and a.groups != b.groups):
        return ["%s: groups %d became %d, or their map changed" % (where, a.groups, b.groups)]
    if b.bits < a.bits:
        return ["%s: %d bits became %d" % (where, a.bits, b.bits)]
    finer = b.groups // a.groups
    shift = b.middle - a.middle if b.bits != a.bits else 0           # a wider container may move codes and zeros together
    problems = []
    for row in range(a.out):
        same_codes = shift == 0 and a.codes[row] == b.codes[row]
        for group in range(b.groups):
            scale, zero = a.scales[row][group // finer], a.zeros[row][group // finer]
            spot = "%s row %d group %d" % (where, row, group)
            got_scale, got_zero, columns = b.scales[row][group], b.zeros[row][group], b.columns(group)
            want_scale = floats.round_to(scale, b.scale_dtype)
            if got_scale != want_scale or str(got_scale) != str(want_scale):
                problems.append("%s: scale %r became %r, not %r" % (spot, scale, got_scale, want_scale))
            if scale == 0:
                if any(code != got_zero for code in take(b.codes[row], columns)) and not same_codes:
                    problems.append(spot + ": scale 0, and codes that are neither the source's nor the zero")
                if a.scale_dtype != b.scale_dtype and got_zero != b.middle and got_zero != zero + shift:
                    problems.append("%s: scale 0, and a zero of %r" % (spot, got_zero))
                continue
            moved = [0, shift] if shift else [0]
            if not any(got_zero == zero + by and
                       take(b.codes[row], columns) == bytes(code + by for code in take(a.codes[row], columns)) for by in moved):
                problems.append("%s: codes differ, or zero %r became %r" % (spot, zero, got_zero))
    return problems


def take(row, columns):
    return row[columns] if isinstance(columns, slice) else bytes(row[k] for k in columns)


def cast(tensor, dtype):
    if dtype is None or tensor.dtype not in floats.BYTES or tensor.dtype in floats.BYTE_FLOATS or tensor.dtype == dtype:
        return tensor
    return st.Tensor(dtype, tensor.shape, floats.encode(floats.decode(tensor.data, tensor.dtype), dtype))


def names(wanted, found, what):
    problems = ["%s %s is missing" % (what, name) for name in sorted(set(wanted) - set(found))]
    return problems + ["%s %s was invented" % (what, name) for name in sorted(set(found) - set(wanted))]


def compare(a, b, dtype=None):
    """Everything that is wrong with checkpoint b as a conversion of checkpoint a."""
    problems = names(a.weights, b.weights, "weight") + names(a.floats, b.floats, "tensor")
    for name in sorted(set(a.weights) & set(b.weights)):
        problems += compare_weight(a.weights[name], b.weights[name])
    for name in sorted(set(a.floats) & set(b.floats)):
        if cast(a.floats[name], dtype) != b.floats[name]:
            problems.append("tensor %s: its dtype, shape or bytes changed" % name)
    return problems


def check_files(a, b, directory):
    """Shards, their headers and their index, the files beside them, and nothing else."""
    problems = []
    present = set(os.listdir(directory))
    shards = sorted(name for name in present if name.endswith(".safetensors"))
    source_files = sorted({a.file_of[name] for name in a.file_of if name in a.floats or is_codes(a, name)})
    sharded = len(source_files) > 1 or "model.safetensors" not in present
    count = len(source_files)
    wanted = ["model-%05d-of-%05d.safetensors" % (n + 1, count) for n in range(count)] if sharded else ["model.safetensors"]
    if shards != wanted:
        problems.append("shards %s, expected %s" % (shards, wanted))
    place = dict(zip(source_files, wanted))
    where, total = {}, 0
    for shard in shards:
        metadata, tensors = st.read(os.path.join(directory, shard))
        if metadata != {"format": "pt"}:
            problems.append("%s: metadata %r" % (shard, metadata))
        if list(tensors) != st.in_order(tensors):
            problems.append(shard + ": tensors are not in the reference writer's order")
        with open(os.path.join(directory, shard), "rb") as file:
            start = file.read(9)
        if int.from_bytes(start[:8], "little") % 8 or start[8:] != b"{":
            problems.append(shard + ": header is not padded to a multiple of 8")
        for name, tensor in tensors.items():
            where[name] = shard
            total += len(tensor.data)
            module = name.rpartition(".")[0]
            source = a.weights[module].file if module in a.weights and name not in a.floats else a.file_of.get(name)
            if place.get(source) != shard:
                problems.append("%s is in %s, its source in %s" % (name, shard, source))
    index = "model.safetensors.index.json"
    if sharded:
        content = st.load_json(os.path.join(directory, index))
        if content.get("weight_map") != where:
            problems.append("the index maps other tensors than the shards hold")
        if content.get("metadata", {}).get("total_size") != total:
            problems.append("total_size is %r, not %d" % (content.get("metadata"), total))
    carried = {name for name in os.listdir(a.directory) if not NOT_CARRIED.match(name) and name not in SIDE_CONFIGS}
    expected = carried | set(wanted) | {"config.json", "repaq-manifest.json"} | ({index} if sharded else set())
    if b.dialect.startswith("gptq"):
        expected.add("quantize_config.json")
    problems += names(expected, present, "file")
    for name in sorted((carried & present) - {"config.json"}):
        if read_bytes(os.path.join(a.directory, name)) != read_bytes(os.path.join(directory, name)):
            problems.append(name + " changed on the way")
    return problems


def is_codes(a, name):
    module, _, role = name.rpartition(".")
    return module in a.weights and role in ("weight", "qweight") and name not in a.floats


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def check_config(a, b, directory):
    """config.json: the source's members in their order without the vendor's, and the quantization_config that the tensors ask for."""
    problems = []
    vendor = {"quantization_config", "quantize"} | {name for name in a.config if name.endswith("_quantize")}
    kept = [(name, value) for name, value in a.config.items() if name not in vendor]
    found = [(name, value) for name, value in b.config.items() if name != "quantization_config"]
    if json.dumps(kept) != json.dumps(found):
        problems.append("config.json: members changed: %s" % sorted({name for name, _ in kept} ^ {name for name, _ in found}))
    quantization = b.config["quantization_config"]
    sizes = {weight.groups and weight.in_ // weight.groups for weight in b.weights.values()}
    per_channel = all(weight.groups == 1 for weight in a.weights.values())
    if quantization["group_size"] not in (sizes if not per_channel else sizes | {-1}) and -1 != quantization["group_size"]:
        problems.append("group_size %r" % quantization["group_size"])
    if b.dialect == "awq":
        return problems + check_awq_config(b, quantization)
    if st.load_json(os.path.join(directory, "quantize_config.json")) != quantization:
        problems.append("quantize_config.json differs from config.json")
    return problems + check_gptq_config(b, quantization)


def check_awq_config(b, quantization):
    problems = []
    wanted = {"quant_method": "awq", "bits": 4, "zero_point": True, "version": "gemm"}
    for name, value in wanted.items():
        if quantization.get(name) != value or type(quantization.get(name)) is not type(value):
            problems.append("%s is %r" % (name, quantization.get(name)))
    listed = quantization.get("modules_to_not_convert")
    modules = set(b.linears_left_float()) | (set() if "lm_head" in b.weights else {"lm_head"})
    if sorted(listed or []) != sorted(modules):
        problems.append("modules_to_not_convert is %r, not %r" % (listed, sorted(modules)))
    extra = set(quantization) - set(wanted) - {"group_size", "modules_to_not_convert"}
    return problems + ["awq config has %s" % name for name in sorted(extra)]


def check_gptq_config(b, quantization):
    problems = []
    bits = {weight.bits for weight in b.weights.values()}
    wanted = {"quant_method": "gptq", "checkpoint_format": b.dialect, "desc_act": b.desc_act, "pack_dtype": "int32",
              "sym": all(weight.symmetric() for weight in b.weights.values()), "lm_head": "lm_head" in b.weights}
    for name, value in wanted.items():
        if quantization.get(name) != value or type(quantization.get(name)) is not type(value):
            problems.append("%s is %r, not %r" % (name, quantization.get(name), value))
    if quantization.get("bits") not in bits:
        problems.append("bits is %r" % quantization.get("bits"))
    left = b.linears_left_float()
    rules = {"-:^%s$" % module.replace(".", "\\.") for module in left}
    skips = {rule for rule, value in (quantization.get("dynamic") or {}).items() if rule.startswith("-:") and value == {}}
    if skips - {"-:^lm_head$"} != rules - {"-:^lm_head$"} or ("lm_head" in left and "-:^lm_head$" not in skips):
        problems.append("dynamic skips %r, not %r" % (sorted(skips), sorted(rules)))
    for module in left:
        if not any(re.fullmatch(rule[2:], module) for rule in skips):
            problems.append("no rule of dynamic skips " + module)
    for name in b.weights:
        if any(re.match(rule[2:], name) for rule in skips):
            problems.append("dynamic skips %s, which is quantized" % name)
    positive = set(quantization.get("dynamic") or {}) - skips
    uniform = len(bits) == 1 and len({weight.in_ // weight.groups if weight.groups > 1 else 0 for weight in b.weights.values()}) == 1
    if uniform and positive:
        problems.append("dynamic overrides %r although all layers are alike" % sorted(positive))
    return problems + check_blocks(b, left, quantization.get("modules_in_block_to_quantize"))


def check_blocks(b, left, blocks):
    """modules_in_block_to_quantize: there when every layer leaves the same linears float, and then naming all others of a layer."""
    layer_of = re.compile(r"^(.*?\.\d+)\.(.*)$")
    quantized, plain = {}, {}
    for into, modules in ((quantized, b.weights), (plain, left)):
        for module in modules:
            match = layer_of.match(module)
            if match:
                into.setdefault(match.group(1), set()).add(match.group(2))
    same = plain and all(plain.get(layer) == next(iter(plain.values())) for layer in quantized)
    if same and blocks is None:
        return ["modules_in_block_to_quantize is missing"]
    if blocks is not None and (not same and plain or {name for part in blocks for name in part} != next(iter(quantized.values()))):
        return ["modules_in_block_to_quantize is %r" % blocks]
    return []
