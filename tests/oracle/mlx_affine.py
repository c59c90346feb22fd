"""MLX affine: w = scales * q + biases, with 2, 3, 4, 5, 6 or 8 bits.

    weight  U32 [N][K*b/32]  one stream of bits a row (streams.py, dense)
    scales, biases  [N][K/g] in one float dtype; g is 32, 64 or 128

config.json: "quantization" = {group_size, bits, mode, "<module>": {overrides} | false}, and the same as "quantization_config".
"""
import os

import floats
import st
import streams
from st import Refusal
from weight import Checkpoint, Weight

BITS = (2, 3, 4, 5, 6, 8)
GROUPS = (32, 64, 128)


def settings(quantization, module):
    mine = quantization.get(module, {})
    if mine is False:
        return None
    return {"group_size": quantization["group_size"], "bits": quantization["bits"], **(mine if isinstance(mine, dict) else {})}


def read_weight(module, mine, tensors, file):
    weight, scales, biases = [tensors[module + suffix] for suffix in (".weight", ".scales", ".biases")]
    bits, size = mine["bits"], mine["group_size"]
    if bits not in BITS or size not in GROUPS:
        raise Refusal(5, "%s: %d bits in groups of %d" % (module, bits, size))
    rows, width = weight.shape
    columns = width * 32 // bits
    groups = columns // size
    if width * 32 % bits or columns % size or scales.shape != [rows, groups] or biases.shape != scales.shape or biases.dtype != scales.dtype:
        raise Refusal(4, module + ": shapes contradict bits or group size")
    codes = [streams.unpack(weight.data[4 * n * width:4 * (n + 1) * width], bits, columns) for n in range(rows)]
    pair = []
    for tensor in (scales, biases):
        values = floats.decode(tensor.data, tensor.dtype)
        pair.append([values[n * groups:(n + 1) * groups] for n in range(rows)])
    if any(not abs(value) < float("inf") for rows_of in pair for row in rows_of for value in row):
        raise Refusal(4, module + ": a scale or a bias is not finite (R-NONFINITE)")
    return Weight(module, bits, codes, None, pair[0], scales.dtype, None, file, size, pair[1])


def read(directory):
    checkpoint = Checkpoint("mlx", directory)
    checkpoint.config = st.load_json(os.path.join(directory, "config.json"))
    quantization = checkpoint.config["quantization"]
    if quantization.get("mode", "affine") != "affine":
        raise Refusal(5, "mode " + quantization["mode"])
    tensors, checkpoint.file_of = st.read_directory(directory)
    claimed = set()
    for name in tensors:
        module, _, role = name.rpartition(".")
        if role != "scales":
            continue
        mine = settings(quantization, module)
        if mine is None:
            raise Refusal(4, module + " is quantized and excluded")
        checkpoint.weights[module] = read_weight(module, mine, tensors, checkpoint.file_of[module + ".weight"])
        claimed.update(module + suffix for suffix in (".weight", ".scales", ".biases"))
    checkpoint.floats = {name: tensor for name, tensor in tensors.items() if name not in claimed}
    return checkpoint


def tensors_of(weight):
    rows = [streams.pack(row, weight.bits) for row in weight.codes]
    made = {weight.name + ".weight": st.Tensor("U32", [weight.out, len(rows[0]) // 4], b"".join(rows))}
    for role, values in (("scales", weight.scales), ("biases", weight.biases)):
        flat = [value for row in values for value in row]
        made["%s.%s" % (weight.name, role)] = st.Tensor(weight.scale_dtype, [weight.out, weight.groups], floats.encode(flat, weight.scale_dtype))
    return made


def config_of(weights, plain):
    """The object of config.json; layers that differ from the first have entries, float Linears have false."""
    first = next(iter(weights.values()))
    config = {"group_size": first.group or first.in_, "bits": first.bits, "mode": "affine"}
    for name, weight in weights.items():
        if (weight.bits, weight.group or weight.in_) != (config["bits"], config["group_size"]):
            config[name] = {"group_size": weight.group or weight.in_, "bits": weight.bits}
    config.update({name: False for name in plain})
    return config


def quantize(values, bits):
    """(scale, bias, codes) of one group as mx.quantize computes them in F32; scale and bias are rounded to the dtype only when stored."""
    single = floats.single
    top = (1 << bits) - 1
    low, high = min(values), max(values)
    scale = max(single(single(high - low) / top), single(1e-7))
    edge = low if abs(low) > abs(high) else high
    if edge is high:
        scale = -scale
    first = float(round(single(edge / scale)))
    bias = 0.0
    if first != 0:
        scale, bias = single(edge / first), edge
    codes = bytes(int(min(max(round(single(single(value - bias) / scale)), 0), top)) for value in values)
    return scale, bias, codes


def check():
    done = 0
    for bits in BITS:
        codes = [bytes((5 * n + 3 * k * k + k) & ((1 << bits) - 1) for k in range(64)) for n in range(4)]
        weight = Weight("x", bits, codes, None, [[1.0, -2.0]] * 4, "BF16", group=32, biases=[[0.5, 3.0]] * 4)
        found = read_weight("x", {"bits": bits, "group_size": 32}, tensors_of(weight), None)
        assert (found.codes, found.scales, found.biases, found.group) == (codes, weight.scales, weight.biases, 32)
        done += 1
    return done
