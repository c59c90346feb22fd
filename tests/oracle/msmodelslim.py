"""msModelSlim W4A16 and W8A16: signed codes q in I8, float offsets o in the same signed domain, value = (q - o) * s.

Unsigned: code = q + 2^(bits-1), zero = o + 2^(bits-1).

The description is flat: {tensor name: type}, besides a few keys of its own. Layouts of int4:
    no version or 0.0.0          one code a byte, [N][K]
    1.0.0, scale [N][G], G > 1   byte[i][k] = (q[2i][k] & 15) | (q[2i+1][k] << 4), [N/2][K]
    1.0.0, scale [N][1]          byte[n][j] = (q[n][2j] & 15) | (q[n][2j+1] << 4), [N][K/2]

W8A8 has beside them input_scale [1], input_offset [1], deq_scale [N] (F32, or I64 with the bits of the F32) = input_scale * s and
quant_bias I32 [N] = rne(bias / deq_scale - input_offset * sum of the row's q). W8A8_DYNAMIC has none of these.
"""
import glob
import math
import os
import re
import struct

import floats
import st
from st import Refusal
from weight import Checkpoint, Weight

RESERVED = {"model_quant_type", "version", "group_size", "kv_cache_type", "kv_quant_type", "fa_quant_type", "reduce_quant_type",
            "indexer_quant_type", "metadata", "optional", "is_rot_used", "max_supported_tp", "ascend_quant_method", "weight_strategy"}
BITS = {"W4A16": 4, "W8A16": 8, "W8A8": 8, "W8A8_DYNAMIC": 8}
STATIC = ("input_scale", "input_offset", "deq_scale", "quant_bias")
ROLES = ("weight_scale", "weight_offset") + STATIC
NORM_BIAS = re.compile(r"norm[^.]*\.bias$")
LOW_NIBBLE = bytes((byte & 15) ^ 8 for byte in range(256))    # two's complement nibble -> unsigned code
HIGH_NIBBLE = bytes((byte >> 4) ^ 8 for byte in range(256))
SIGNED_BYTE = bytes(byte ^ 128 for byte in range(256))
SIGNED_INT4 = bytes((byte + 8) & 255 for byte in range(256))  # -8..7 -> 0..15; anything else lands outside


def find_description(directory):
    plain = os.path.join(directory, "quant_model_description.json")
    named = sorted(glob.glob(os.path.join(glob.escape(directory), "quant_model_description_*.json")))
    return plain if os.path.exists(plain) else named[0] if named else None


def unpack(tensor, bits, packed, along_in):
    rows, columns = tensor.shape
    lines = [tensor.data[row * columns:(row + 1) * columns] for row in range(rows)]
    if bits == 8:
        return [line.translate(SIGNED_BYTE) for line in lines]
    if not packed:
        codes = [line.translate(SIGNED_INT4) for line in lines]
        if any(max(row) > 15 for row in codes):
            raise Refusal(4, "an int4 byte is outside -8..7")
        return codes
    if along_in:
        codes = []
        for line in lines:
            row = bytearray(2 * columns)
            row[0::2], row[1::2] = line.translate(LOW_NIBBLE), line.translate(HIGH_NIBBLE)
            codes.append(bytes(row))
        return codes
    return [line.translate(table) for line in lines for table in (LOW_NIBBLE, HIGH_NIBBLE)]


def parameters(tensor, rows):
    """The [rows][groups] of a scale or an offset that is stored [N, G], [N, 1], [N*G, 1], [N], [1] or []."""
    values = floats.decode(tensor.data, tensor.dtype)
    if len(values) == 1:
        return [[values[0]] for _ in range(rows)]
    if len(values) % rows:
        raise Refusal(4, "the scales do not divide by the rows")
    groups = len(values) // rows
    return [values[row * groups:(row + 1) * groups] for row in range(rows)]


def read_weight(module, kind, tensors, packed, file):
    bits = BITS[kind]
    middle = 1 << (bits - 1)
    scale, offset = tensors[module + ".weight_scale"], tensors.get(module + ".weight_offset")
    along_in = not scale.shape or scale.shape[-1] == 1
    codes = unpack(tensors[module + ".weight"], bits, packed and bits == 4, along_in)
    scales = parameters(scale, len(codes))
    offsets = parameters(offset, len(codes)) if offset is not None else [[0.0] * len(row) for row in scales]
    if len(scales[0]) != len(offsets[0]) or len(codes[0]) % len(scales[0]):
        raise Refusal(4, module + ": scales, offsets and columns do not fit")
    for row_scales, row_offsets in zip(scales, offsets):
        for one, other in zip(row_scales, row_offsets):
            if not math.isfinite(one):
                raise Refusal(4, module + ": a scale is not finite")
            if one != 0 and math.isnan(other):
                raise Refusal(4, module + ": the offset of a live group is NaN")
    zeros = [[value + middle for value in row] for row in offsets]
    return Weight(module, bits, codes, zeros, scales, scale.dtype, file=file, activation=read_activation(module, kind, tensors))


def read_activation(module, kind, tensors):
    if not kind.startswith("W8A8"):
        return None
    if kind == "W8A8_DYNAMIC":
        return {"dynamic": True, "scale": None, "zero": 0}
    for role in STATIC:
        if module + "." + role not in tensors:
            raise Refusal(4, "%s has no %s" % (module, role), 5)
    scale, offset, deq, bias = [tensors[module + "." + role] for role in STATIC]
    factors = struct.unpack("<%di" % (len(deq.data) // 4), deq.data)[::2 if deq.dtype == "I64" else 1]
    return {"dynamic": False, "scale": floats.decode(scale.data, scale.dtype)[0], "zero": floats.decode(offset.data, offset.dtype)[0],
            "deq": [floats.decode_bits(bits & 0xFFFFFFFF, "F32") for bits in factors], "deq_dtype": deq.dtype,
            "quant_bias": list(struct.unpack("<%di" % (len(bias.data) // 4), bias.data))}


def derived(weight, bias):
    """(deq_scale, quant_bias) of a static layer; bias: its values, or None."""
    scale, zero = weight.activation["scale"], weight.activation["zero"]
    deq = [floats.single(scale * row[0]) for row in weight.scales]
    sums = [sum(row) - weight.middle * weight.in_ for row in weight.codes]
    return deq, [round((bias[n] / deq[n] if bias else 0.0) - zero * sums[n]) for n in range(weight.out)]


def norm_leftovers(checkpoint, tensors):
    """Drops zero norm biases and `.module.` twins that say the same; anything else in their place is a refusal."""
    for name in list(checkpoint.floats):
        if ".module." in name:
            twin = name.replace(".module.", ".")
            if name.endswith(".weight") and (twin not in tensors or tensors[twin] != tensors[name]):
                raise Refusal(6, name + " differs from " + twin)
        if NORM_BIAS.search(name) or name.endswith(".module.bias"):
            if any(value != 0 for value in floats.decode(tensors[name].data, tensors[name].dtype)):
                raise Refusal(6, name + " is not zero")
        if ".module." in name or NORM_BIAS.search(name):
            del checkpoint.floats[name]
            checkpoint.dropped.append(name)


def read(directory):
    description = st.load_json(find_description(directory))
    tensors, checkpoint = {}, Checkpoint("msmodelslim", directory)
    types = {name: kind for name, kind in description.items() if name not in RESERVED and isinstance(kind, str)}
    unknown = sorted(kind for kind in set(types.values()) if kind != "FLOAT" and kind not in BITS)
    if unknown:
        raise Refusal(5, "types " + ", ".join(unknown))
    tensors, checkpoint.file_of = st.read_directory(directory)
    for name in types:
        if name not in tensors:
            raise Refusal(4, name + " is described and in no file")
    for name, tensor in tensors.items():
        module, _, role = name.rpartition(".")
        kind = types.get(name)
        if role in ROLES or (role == "weight" and tensor.dtype in st.INTEGERS):
            if types.get(module + ".weight") not in BITS or kind not in BITS:
                raise Refusal(4, name + " and the description disagree")
            if role == "weight":
                if module + ".weight_scale" not in tensors:
                    raise Refusal(4, module + " has no scale")
                packed = description.get("version", "0.0.0") != "0.0.0"
                checkpoint.weights[module] = read_weight(module, kind, tensors, packed, checkpoint.file_of[name])
        elif kind is None and tensor.dtype in st.INTEGERS:
            raise Refusal(4, name + " has no description")
        else:
            checkpoint.floats[name] = tensor
    norm_leftovers(checkpoint, tensors)
    config = os.path.join(directory, "config.json")
    checkpoint.config = st.load_json(config) if os.path.exists(config) else None
    return checkpoint


def pack(weight, packed, along_in):
    """The weight tensor, element by element as the diagrams above say."""
    middle, rows, columns = weight.middle, weight.out, weight.in_
    signed = [[code - middle for code in row] for row in weight.codes]
    if weight.bits == 8 or not packed:
        return st.Tensor("I8", [rows, columns], bytes(q & 255 for row in signed for q in row))
    if along_in:
        data = [(signed[n][2 * j] & 15) | (signed[n][2 * j + 1] & 15) << 4 for n in range(rows) for j in range(columns // 2)]
        return st.Tensor("I8", [rows, columns // 2], bytes(data))
    data = [(signed[2 * i][k] & 15) | (signed[2 * i + 1][k] & 15) << 4 for i in range(rows // 2) for k in range(columns)]
    return st.Tensor("I8", [rows // 2, columns], bytes(data))


def kind_of(weight):
    if weight.activation is None:
        return "W%dA16" % weight.bits
    return "W8A8_DYNAMIC" if weight.activation["dynamic"] else "W8A8"


def tensors_of(weight, packed, deq_dtype="F32", bias=None):
    """All tensors of a layer; scales [N][G]."""
    name, shape = weight.name, [weight.out, weight.groups]
    made = {name + ".weight": pack(weight, packed and weight.bits == 4, weight.groups == 1)}
    for role, less, rows in (("weight_scale", 0, weight.scales), ("weight_offset", weight.middle, weight.zeros)):
        made["%s.%s" % (name, role)] = st.Tensor(weight.scale_dtype, shape, floats.encode([v - less for row in rows for v in row], weight.scale_dtype))
    if weight.activation and not weight.activation["dynamic"]:
        deq, quant_bias = derived(weight, bias)
        for role, value in (("input_scale", weight.activation["scale"]), ("input_offset", weight.activation["zero"])):
            made["%s.%s" % (name, role)] = st.Tensor("F32", [1], floats.encode([value], "F32"))
        data = floats.encode(deq, "F32")
        if deq_dtype == "I64":
            data = struct.pack("<%dq" % weight.out, *struct.unpack("<%di" % weight.out, data))
        made[name + ".deq_scale"] = st.Tensor(deq_dtype, [weight.out], data)
        made[name + ".quant_bias"] = st.Tensor("I32", [weight.out], struct.pack("<%di" % weight.out, *quant_bias))
    return made


def check():
    """The golden bytes of the vendor's own unit test; returns the number of comparisons."""
    codes = [bytes(value + 8 for value in row) for row in ([1, 2, 3, 4], [5, 6, 7, -8])]
    channel = Weight("x", 4, codes, [[8], [8]], [[1.0], [1.0]], "F32")
    grouped = Weight("x", 4, codes, [[8, 8], [8, 8]], [[1.0, 1.0], [1.0, 1.0]], "F32")
    for weight, along_in, want in ((channel, True, [33, 67, 101, 256 - 121]), (grouped, False, [81, 98, 115, 256 - 124])):
        tensor = pack(weight, True, along_in)
        assert list(tensor.data) == want, list(tensor.data)
        assert unpack(tensor, 4, True, along_in) == codes
    return 4
