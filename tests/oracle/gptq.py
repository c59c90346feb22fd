"""GPTQ v1 and v2: 2, 3, 4 or 8 bits.

    qweight I32 [K*b/32][N]   down a column of words: one little-endian stream of bits, code k at bits b*k .. b*k+b-1
    qzeros  I32 [G][N*b/32]   along a row of words: the same, field n; v1 stores zero - 1, v2 the zero itself
    scales  F16 [G][N]
    g_idx   I32 [K]           the group of each column; absent, all 0 or k // group: the plain order
"""
import os
import re
import struct

import floats
import st
from st import Refusal
from weight import Checkpoint, Weight, transpose

OLD_3BIT = (0x00000000, 0xB6DB6DB7, 0x49249249)    # symmetric 3-bit zeros of GPTQModel before 2026-04-17


def unpack_down(tensor, bits):
    """codes of each column k: one bytes object of N codes."""
    rows, width = tensor.shape
    mask = (1 << bits) - 1
    period = 3 if bits == 3 else 1                       # words after which the pattern starts again
    down = [bytes((byte >> shift) & mask for byte in range(256)) for shift in range(8)]
    up = [bytes((byte << shift) & mask for byte in range(256)) for shift in range(8)]
    lines = []
    for row in range(0, rows, period):
        planes = []                                      # planes[t][n]: byte t of the stream of column n
        for word_row in range(row, row + period):
            stored = tensor.data[word_row * width * 4:(word_row + 1) * width * 4]
            planes += [stored[byte::4] for byte in range(4)]
        for field in range(32 * period // bits):
            byte, shift = divmod(bits * field, 8)
            line = planes[byte].translate(down[shift])
            if shift + bits > 8:                         # the rest of the field is in the next byte
                line = bytes(a | b for a, b in zip(line, planes[byte + 1].translate(up[8 - shift])))
            lines.append(line)
    return lines


def fields(words, bits):
    """The fields of one row of words."""
    stream = int.from_bytes(words, "little")
    return [(stream >> (bits * n)) & ((1 << bits) - 1) for n in range(len(words) * 8 // bits)]


def stream_of(values, bits):
    stream = 0
    for n, value in enumerate(values):
        stream |= value << (bits * n)
    return stream.to_bytes(len(values) * bits // 8, "little")


def zeros_of_v1(stored, bits, rule=None):
    """The zeros of one v1 row. The ways to undo "- 1" differ where a field below the top of its word is all ones; rule says which."""
    ones = (1 << bits) - 1
    values = fields(stored, bits)
    if bits == 3:
        if len(stored) % 12 == 0 and all(struct.unpack("<3I", stored[at:at + 12]) == OLD_3BIT for at in range(0, len(stored), 12)):
            return [4] * len(values)
        return [(value + 1) & ones for value in values]
    per_word = 32 // bits
    if rule == "no-mask":
        return [value + 1 for value in values]
    if rule == "field-mod" or all(value != ones or n % per_word == per_word - 1 for n, value in enumerate(values)):
        return [(value + 1) & ones for value in values]
    if rule != "word-add":
        raise Refusal(4, "ambiguous v1 zeros (R-AMBIG-V1)")
    every = sum(1 << (bits * n) for n in range(per_word))
    words = struct.unpack("<%dI" % (len(stored) // 4), stored)
    return fields(struct.pack("<%dI" % len(words), *[(word + every) & 0xFFFFFFFF for word in words]), bits)


def group_map(tensor, columns, size, groups):
    """None for the plain order, else the group of each column."""
    if tensor is None:
        return None
    of = list(struct.unpack("<%di" % columns, tensor.data))
    of = [value + groups if value < 0 else value for value in of]
    if any(value >= groups or value < 0 for value in of):
        raise Refusal(4, "g_idx names a group that is not there")
    if not any(of) or of == [k // size for k in range(columns)]:
        return None
    return of


def settings(quantization, module):
    """bits and group_size of a module: the general ones, or those of the first rule of `dynamic` that matches; None: left float."""
    rules = quantization.get("dynamic") or {}
    for pattern in rules:
        if pattern.startswith("-:") and re.match(pattern[2:], module):
            return None
    for pattern, values in rules.items():
        if not pattern.startswith("-:") and re.match(pattern[2:] if pattern.startswith("+:") else pattern, module):
            return {**quantization, **values}
    return quantization


def check_side_files(directory, quantization):
    """The older files beside config.json must say the same as it."""
    for name in ("quantize_config.json", "quant_config.json"):
        path = os.path.join(directory, name)
        for key, value in (st.load_json(path) if os.path.exists(path) else {}).items():
            if key in ("bits", "group_size", "sym", "desc_act", "checkpoint_format") and quantization.get(key, value) != value:
                raise Refusal(4, "%s disagrees on %s (R-CONFLICT)" % (name, key))


def read(directory, rule=None):
    checkpoint = Checkpoint("gptq", directory)
    checkpoint.config = st.load_json(os.path.join(directory, "config.json"))
    quantization = checkpoint.config["quantization_config"]
    check_side_files(directory, quantization)
    label = quantization.get("checkpoint_format", "gptq")
    if label == "gptq_v2":
        checkpoint.dialect = "gptq_v2"
    elif label != "gptq":
        raise Refusal(5, "checkpoint_format " + label)
    if rule is None and ("gptqmodel" in str(quantization.get("meta", {})) or "auto" in str(quantization.get("provider", ""))):
        rule = "word-add"                                # what those writers undo
    tensors, checkpoint.file_of = st.read_directory(directory)
    claimed = set()
    for name in tensors:
        if not name.endswith(".qweight"):
            continue
        module = name[:-len(".qweight")]
        mine = settings(quantization, module)
        if mine is None:
            raise Refusal(4, module + " is quantized and excluded")
        checkpoint.weights[module] = read_weight(module, mine, tensors, label, rule)
        checkpoint.weights[module].file = checkpoint.file_of[name]
        claimed.update(module + suffix for suffix in (".qweight", ".qzeros", ".scales", ".g_idx"))
    checkpoint.floats = {name: tensor for name, tensor in tensors.items() if name not in claimed}
    checkpoint.desc_act = any(weight.group_of is not None for weight in checkpoint.weights.values())
    return checkpoint


def read_weight(module, mine, tensors, label, rule):
    qweight, qzeros, scales = [tensors[module + suffix] for suffix in (".qweight", ".qzeros", ".scales")]
    bits = mine["bits"]
    columns, out = qweight.shape[0] * 32 // bits, qweight.shape[1]
    size = mine["group_size"] if mine["group_size"] > 0 else columns
    groups = -(-columns // size)
    if scales.shape != [groups, out] or qzeros.shape != [groups, out * bits // 32]:
        raise Refusal(4, module + ": shapes contradict bits or group size")
    line = qzeros.shape[1] * 4
    rows = [qzeros.data[g * line:(g + 1) * line] for g in range(groups)]
    zeros = [zeros_of_v1(row, bits, rule) if label == "gptq" else fields(row, bits) for row in rows]
    if mine.get("sym", True) and any(value != 1 << (bits - 1) for row in zeros for value in row):
        raise Refusal(4, module + ": sym, and yet a zero is not in the middle (R-SYMFLAG)")
    values = floats.decode(scales.data, scales.dtype)
    if any(not abs(value) < float("inf") for value in values):
        raise Refusal(4, module + ": a scale is not finite (R-NONFINITE)")
    return Weight(module, bits, transpose(unpack_down(qweight, bits), out), [[row[n] for row in zeros] for n in range(out)],
                  [values[n::out] for n in range(out)], scales.dtype, group_map(tensors.get(module + ".g_idx"), columns, size, groups), None, size)


def tensors_of(weight, label, scale_dtype="F16"):
    """The four tensors; the streams are built code by code."""
    bits, out, columns, groups = weight.bits, weight.out, weight.in_, weight.groups
    down = [stream_of(row, bits) for row in weight.codes]          # the words of each column n, one after the other
    qweight = b"".join(down[n][4 * r:4 * r + 4] for r in range(columns * bits // 32) for n in range(out))
    less = 1 if label == "gptq" else 0
    ones = (1 << bits) - 1
    qzeros = b"".join(stream_of([(int(weight.zeros[n][g]) - less) & ones for n in range(out)], bits) for g in range(groups))
    scales = [weight.scales[n][g] for g in range(groups) for n in range(out)]
    width = weight.group or columns
    of = weight.group_of if weight.group_of is not None else [k // width for k in range(columns)]
    return {weight.name + ".qweight": st.Tensor("I32", [columns * bits // 32, out], qweight),
            weight.name + ".qzeros": st.Tensor("I32", [groups, out * bits // 32], qzeros),
            weight.name + ".scales": st.Tensor(scale_dtype, [groups, out], floats.encode(scales, scale_dtype)),
            weight.name + ".g_idx": st.Tensor("I32", [columns], struct.pack("<%di" % columns, *of))}


def check():
    """The golden words of the format's description; returns the number of comparisons."""
    golden = ((4, list(range(8)), (0x76543210,)), (2, [i % 4 for i in range(16)], (0xE4E4E4E4,)),
              (8, [0x10, 0x32, 0x54, 0x76], (0x76543210,)),
              (3, [i % 8 for i in range(32)], (0x88FAC688, 0xC688FAC6, 0xFAC688FA)),
              (3, [(7 * i + 3) % 8 for i in range(32)], (0x53977053, 0x70539770, 0x97705397)))
    for bits, values, words in golden:
        stored = stream_of(values, bits)
        assert stored == struct.pack("<%dI" % len(words), *words), stored.hex()
        assert fields(stored, bits) == values
    for bits in (2, 3, 4, 8):
        codes = [bytes((5 * n + 3 * k * k + k) & ((1 << bits) - 1) for k in range(64)) for n in range(32)]
        weight = Weight("x", bits, codes, [[1, 2]] * 32, [[1.0, 2.0]] * 32, "F16")
        assert transpose(unpack_down(tensors_of(weight, "gptq_v2")["x.qweight"], bits), 32) == codes
    borrow, per_field = struct.pack("<I", 0x7777776F), struct.pack("<I", 0x7777777F)
    assert zeros_of_v1(borrow, 4, "word-add") == [0] + [8] * 7 and zeros_of_v1(per_field, 4, "field-mod") == [0] + [8] * 7
    assert zeros_of_v1(borrow, 4, "field-mod") == [0, 7] + [8] * 6 and zeros_of_v1(per_field, 4, "no-mask") == [16] + [8] * 7
    for ambiguous in (borrow, per_field):
        try:
            zeros_of_v1(ambiguous, 4)
            raise AssertionError("an ambiguous word was read")
        except Refusal as refusal:
            assert refusal.codes == (4,)
    assert zeros_of_v1(struct.pack("<3I", *OLD_3BIT), 3) == [4] * 32
    assert zeros_of_v1(struct.pack("<3I", 0xDB6DB6DB, 0xB6DB6DB6, 0x6DB6DB6D), 3) == [4] * 32
    return 21
