"""compressed-tensors: pack-quantized (1..8 bits) and int-quantized (W8A8).

pack-quantized
    weight_packed      I32 [N][words of K codes]    u = q + 2^(b-1) along a row, dense or padded (streams.py): told by the shape
    weight_shape       int [2]                      N, K
    weight_scale       [N][G], [N][1] or [1]        G = ceil(K/g); w = (q - zp) * s
    weight_zero_point  I32 [words of N codes][G]    zp + 2^(b-1), packed along N; before 0.9.4 I8 [N][G], signed; tensor strategy I8 [1]
    weight_g_idx       I32 [K]                      the group of each column; with a -1 in it: not there
int-quantized
    weight I8 [N][K] signed, weight_scale and weight_zero_point (I8, signed) as above; static input_scale [1], input_zero_point [1]
"""
import os
import re
import struct

import floats
import st
import streams
from st import Refusal
from weight import Checkpoint, Weight

SIGN = bytes(byte ^ 128 for byte in range(256))
PARTS = ("weight_packed", "weight_shape", "weight_scale", "weight_zero_point", "weight_g_idx", "input_scale", "input_zero_point")
INT_FORMATS = {"int-quantized", "naive-quantized"}


def matches(targets, module):
    """A target is `re:` and a regular expression from the name's start, the name of the module, or its class."""
    return any(re.match(target[3:], module) if target.startswith("re:") else target in (module, "Linear") for target in targets)


def exactly(targets, module):
    """As for `ignore`, where a class name ignores everything of that class."""
    return matches(targets, module)


def scheme_of(quantization, module):
    """(weights, input_activations, format) of a module; None where it is left float."""
    if exactly(quantization.get("ignore") or [], module):
        return None
    groups = list(quantization["config_groups"].values())
    for rank in (lambda t: t == module, lambda t: t.startswith("re:"), lambda t: t == "Linear"):    # the most special first
        for group in groups:
            if matches([target for target in group["targets"] if rank(target)], module):
                return group["weights"], group.get("input_activations"), group.get("format") or quantization["format"]
    return None


def is_old(quantization):
    """Written before 0.18, with padded words: asked only where the shape leaves it open."""
    numbers = [int(part) for part in re.findall(r"\d+", quantization.get("version") or "")[:2]]
    return len(numbers) == 2 and numbers < [0, 18]


def unpacker(width, count, bits, old):
    """How `count` codes lie in `width` words; None: in no known way."""
    dense, padded = width == streams.words(count, bits), width == streams.padded_words(count, bits)
    return streams.unpack_padded if padded and (old or not dense) else streams.unpack if dense else None


def integers(tensor):
    code = {"I64": "q", "I32": "i", "I16": "h", "I8": "b", "U8": "B"}[tensor.dtype]
    return list(struct.unpack("<%d%s" % (st.product(tensor.shape), code), tensor.data))


def parameter_rows(values, shape, rows, groups, where):
    if st.product(shape) == 1 and (rows, groups) != (1, 1):
        return [list(values) * groups for _ in range(rows)]
    if shape != [rows, groups] and not (groups == 1 and shape == [rows]):
        raise Refusal(4, "%s: parameters of shape %s" % (where, shape))
    return [values[row * groups:(row + 1) * groups] for row in range(rows)]


def read_codes(module, tensors, bits, old):
    """codes of each row, out, in"""
    if module + ".weight" in tensors:
        tensor = tensors[module + ".weight"]
        rows, columns = tensor.shape
        shift = 128 - (1 << (bits - 1))
        codes = [bytes(byte - shift for byte in tensor.data[n * columns:(n + 1) * columns].translate(SIGN)) for n in range(rows)]
        return codes, rows, columns
    packed = tensors[module + ".weight_packed"]
    rows, columns = integers(tensors[module + ".weight_shape"])
    line = packed.shape[1] * 4
    if packed.shape[0] != rows:
        raise Refusal(4, module + ": weight_shape")
    take = unpacker(packed.shape[1], columns, bits, old)
    if take is None:
        raise Refusal(4, module + ": words of a row")
    return [take(packed.data[n * line:(n + 1) * line], bits, columns) for n in range(rows)], rows, columns


def read_zeros(module, tensor, bits, rows, groups, old):
    middle = 1 << (bits - 1)
    if tensor is None:
        return [[middle] * groups for _ in range(rows)]
    if tensor.dtype == "I8" or tensor.shape == [1]:
        return parameter_rows([zero + middle for zero in integers(tensor)], tensor.shape, rows, groups, module)
    across, height = [], tensor.shape[0]
    take = unpacker(height, rows, bits, old)
    if tensor.shape[1] != groups or take is None:
        raise Refusal(4, module + ": zero points of shape %s" % tensor.shape)
    for group in range(groups):
        stream = b"".join(tensor.data[4 * (row * groups + group):4 * (row * groups + group) + 4] for row in range(height))
        across.append(take(stream, bits, rows))
    return [[across[group][row] for group in range(groups)] for row in range(rows)]


def group_map(tensor, columns, size):
    if tensor is None:
        return None
    of = integers(tensor)
    if -1 in of:
        return None
    if len(of) != columns or min(of) < 0 or max(of) >= -(-columns // size):
        raise Refusal(4, "weight_g_idx")
    if any(of.count(group) != min(size, columns - group * size) for group in range(-(-columns // size))):
        raise Refusal(4, "weight_g_idx: the columns are sorted by it, and cut into equal groups (R-SHAPE)")
    return None if of == [k // size for k in range(columns)] else of


def read_weight(module, scheme, tensors, file, old=False):
    arguments, inputs, _ = scheme
    bits = arguments["num_bits"]
    codes, rows, columns = read_codes(module, tensors, bits, old)
    strategy = arguments.get("strategy") or ("group" if (arguments.get("group_size") or 0) > 0 else "channel")
    size = arguments["group_size"] if strategy == "group" else columns
    groups = -(-columns // size)
    scale = tensors[module + ".weight_scale"]
    scales = parameter_rows(floats.decode(scale.data, scale.dtype), scale.shape, rows, groups, module)
    if any(not abs(value) < float("inf") for row in scales for value in row):
        raise Refusal(4, module + ": a scale is not finite (R-NONFINITE)")
    zero_point = tensors.get(module + ".weight_zero_point")
    if (zero_point is None) != bool(arguments.get("symmetric", True)):
        raise Refusal(4, module + ": symmetric, and zero points, or the reverse")
    activation = None
    if inputs:
        activation = {"dynamic": bool(inputs.get("dynamic")), "scale": None, "zero": 0}
        if not activation["dynamic"]:
            stored = tensors[module + ".input_scale"]
            activation["scale"] = floats.decode(stored.data, stored.dtype)[0]
            if module + ".input_zero_point" in tensors:
                activation["zero"] = integers(tensors[module + ".input_zero_point"])[0]
    return Weight(module, bits, codes, read_zeros(module, zero_point, bits, rows, groups, old), scales, scale.dtype,
                  group_map(tensors.get(module + ".weight_g_idx"), columns, size), file, size if groups > 1 else 0,
                  activation=activation)


def read(directory):
    checkpoint = Checkpoint("compressed-tensors", directory)
    checkpoint.config = st.load_json(os.path.join(directory, "config.json"))
    quantization = checkpoint.config["quantization_config"]
    tensors, checkpoint.file_of = st.read_directory(directory)
    claimed = set()
    for name, tensor in tensors.items():
        module, _, role = name.rpartition(".")
        if role != "weight_packed" and not (role == "weight" and tensor.dtype == "I8"):
            continue
        scheme = scheme_of(quantization, module)
        if scheme is None:
            raise Refusal(4, module + " is quantized and in no group, or ignored")
        if (scheme[2] in INT_FORMATS) != (role == "weight"):
            raise Refusal(4, "%s is stored as %s, and its format is %s" % (module, role, scheme[2]))
        checkpoint.weights[module] = read_weight(module, scheme, tensors, checkpoint.file_of[name], is_old(quantization))
        claimed.update([name] + [module + "." + part for part in PARTS])
    checkpoint.floats = {name: tensor for name, tensor in tensors.items() if name not in claimed}
    checkpoint.desc_act = any(weight.group_of is not None for weight in checkpoint.weights.values())
    return checkpoint


def pack_zeros(weight, pack):
    lines = [pack(bytes(int(weight.zeros[row][group]) for row in range(weight.out)), weight.bits) for group in range(weight.groups)]
    height = len(lines[0]) // 4
    data = b"".join(line[4 * row:4 * row + 4] for row in range(height) for line in lines)
    return st.Tensor("I32", [height, weight.groups], data)


def signed(values):
    return bytes(int(value) & 255 for value in values)


def tensors_of(weight, symmetric, layout="dense", tensor_strategy=False, shape_dtype="I64", old_zeros=False):
    """The tensors of a layer. layout: dense, padded or int."""
    name, middle = weight.name, weight.middle
    pack = streams.pack_padded if layout == "padded" else streams.pack
    scales = [value for row in weight.scales for value in row][:1 if tensor_strategy else None]
    shape = [1] if tensor_strategy else [weight.out, weight.groups]
    made = {name + ".weight_scale": st.Tensor(weight.scale_dtype, shape, floats.encode(scales, weight.scale_dtype))}
    if layout == "int":
        made[name + ".weight"] = st.Tensor("I8", [weight.out, weight.in_], signed(c - middle for row in weight.codes for c in row))
    else:
        rows = [pack(row, weight.bits) for row in weight.codes]
        made[name + ".weight_packed"] = st.Tensor("I32", [weight.out, len(rows[0]) // 4], b"".join(rows))
        made[name + ".weight_shape"] = st.Tensor(shape_dtype, [2], struct.pack("<2q" if shape_dtype == "I64" else "<2i", weight.out, weight.in_))
    if not symmetric:
        if tensor_strategy or old_zeros or layout == "int":
            flat = [zero - middle for row in weight.zeros for zero in row][:1 if tensor_strategy else None]
            made[name + ".weight_zero_point"] = st.Tensor("I8", shape, signed(flat))
        else:
            made[name + ".weight_zero_point"] = pack_zeros(weight, pack)
    if weight.group_of is not None:
        made[name + ".weight_g_idx"] = st.Tensor("I32", [weight.in_], struct.pack("<%di" % weight.in_, *weight.group_of))
    if weight.activation and not weight.activation["dynamic"]:
        made[name + ".input_scale"] = st.Tensor("F32", [1], floats.encode([weight.activation["scale"]], "F32"))
        if weight.activation["zero"]:
            made[name + ".input_zero_point"] = st.Tensor("I8", [1], signed([weight.activation["zero"]]))
    return made


def arguments_of(weight, symmetric, tensor_strategy):
    strategy = "tensor" if tensor_strategy else "group" if weight.groups > 1 else "channel"
    return {"num_bits": weight.bits, "type": "int", "symmetric": symmetric, "strategy": strategy,
            "group_size": weight.group if strategy == "group" else None, "dynamic": False, "block_structure": None,
            "actorder": "group" if weight.group_of is not None else None, "observer": "minmax", "observer_kwargs": {}}


def check():
    """The worked example, and each width there and back; returns the number of comparisons."""
    weight = Weight("x", 4, [bytes(range(8))], [[8]], [[1.0]], "F32")
    assert tensors_of(weight, True)["x.weight_packed"].data.hex() == "10325476"
    done = 1
    for bits in range(1, 9):
        codes = [bytes((5 * n + 3 * k * k + k) & ((1 << bits) - 1) for k in range(40)) for n in range(24)]
        zeros = [[(n + g) % (1 << bits) for g in range(3)] for n in range(24)]
        weight = Weight("x", bits, codes, zeros, [[1.0, 2.0, 3.0]] * 24, "F32", group=16)
        for layout in ("dense", "padded"):
            found = read_weight("x", (arguments_of(weight, False, False), None, ""), tensors_of(weight, False, layout), None, layout == "padded")
            assert found.codes == codes and found.zeros == zeros and found.group == 16
            done += 1
    import gptq
    codes = [bytes((5 * n + 3 * k * k + k) & 15 for k in range(64)) for n in range(32)]
    weight = Weight("x", 4, codes, [[n % 16] for n in range(32)], [[1.0]] * 32, "F16")
    ours, theirs = tensors_of(weight, False), gptq.tensors_of(weight, "gptq_v2")
    row_words = struct.unpack("<256I", ours["x.weight_packed"].data)
    turned = [row_words[n * 8 + r] for r in range(8) for n in range(32)]
    assert struct.pack("<256I", *turned) == theirs["x.qweight"].data and ours["x.weight_zero_point"].data == theirs["x.qzeros"].data
    return done + 2
