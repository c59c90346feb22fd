"""msModelSlim W4A16 and W8A16: signed codes q in I8, float offsets o in the same signed domain, value = (q - o) * s.

Unsigned: code = q + 2^(bits-1), zero = o + 2^(bits-1).

The description is flat: {tensor name: type}, besides a few keys of its own. Layouts of int4:
    no version or 0.0.0          one code a byte, [N][K]
    1.0.0, scale [N][G], G > 1   byte[i][k] = (q[2i][k] & 15) | (q[2i+1][k] << 4), [N/2][K]
    1.0.0, scale [N][1]          byte[n][j] = (q[n][2j] & 15) | (q[n][2j+1] << 4), [N][K/2]
"""
import glob
import math
import os
import re

import floats
import st
from st import Refusal
from weight import Checkpoint, Weight

RESERVED = {"model_quant_type", "version", "group_size", "kv_cache_type", "kv_quant_type", "fa_quant_type", "reduce_quant_type",
            "indexer_quant_type", "metadata", "optional", "is_rot_used", "max_supported_tp", "ascend_quant_method", "weight_strategy"}
WEIGHT_ONLY = {"W4A16": 4, "W8A16": 8}
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
    bits = WEIGHT_ONLY[kind]
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
    return Weight(module, bits, codes, zeros, scales, scale.dtype, file=file)


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
    unknown = sorted(kind for kind in set(types.values()) if kind != "FLOAT" and kind not in WEIGHT_ONLY)
    if unknown:
        raise Refusal(5, "types " + ", ".join(unknown))
    tensors, checkpoint.file_of = st.read_directory(directory)
    for name in types:
        if name not in tensors:
            raise Refusal(4, name + " is described and in no file")
    for name, tensor in tensors.items():
        module, _, role = name.rpartition(".")
        kind = types.get(name)
        if role in ("weight_scale", "weight_offset") or (role == "weight" and tensor.dtype in st.INTEGERS):
            if types.get(module + ".weight") not in WEIGHT_ONLY or kind not in WEIGHT_ONLY:
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
