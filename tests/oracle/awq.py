"""AutoAWQ GEMM (its other layouts: awq_kinds.py): 4 bits, words packed along N.

    qweight I32 [K][N/8]   nibble i of word c (bits 4i .. 4i+3) is the code of column 8c + ORDER[i]
    qzeros  I32 [G][N/8]   the same; zeros are stored as they are, 0..15
    scales  F16 [G][N]
"""
import os

import awq_kinds
import floats
import st
from st import Refusal
from weight import Checkpoint, Weight, transpose

ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
LOW = bytes(byte & 15 for byte in range(256))
HIGH = bytes(byte >> 4 for byte in range(256))


def unpack(tensor):
    """One bytes object of N codes for each row of words."""
    rows, words = tensor.shape
    lines = []
    for row in range(rows):
        stored = tensor.data[row * words * 4:(row + 1) * words * 4]
        low, high = stored.translate(LOW), stored.translate(HIGH)
        line = bytearray(words * 8)
        for nibble, column in enumerate(ORDER):           # nibble i is in byte i/2 of its word, the odd ones on top
            line[column::8] = (high if nibble % 2 else low)[nibble // 2::4]
        lines.append(bytes(line))
    return lines


def pack(lines):
    """The words of rows of N codes; the reverse, nibble by nibble."""
    data = bytearray()
    for line in lines:
        for c in range(len(line) // 8):
            word = 0
            for i in range(8):
                word |= line[8 * c + ORDER[i]] << (4 * i)
            data += word.to_bytes(4, "little")
    return st.Tensor("I32", [len(lines), len(lines[0]) // 8], bytes(data))


def read(directory):
    checkpoint = Checkpoint("awq", directory)
    checkpoint.config = st.load_json(os.path.join(directory, "config.json"))
    quantization = checkpoint.config["quantization_config"]
    version = quantization["version"].lower()
    if quantization["quant_method"] != "awq" or version not in ("gemm", "gemv", "gemv_fast", "llm-awq") or quantization["bits"] != 4:
        raise Refusal(5, "not AWQ that is read here")
    tensors, checkpoint.file_of = st.read_directory(directory)
    if any(name.endswith(".scaled_zeros") for name in tensors):
        version = "llm-awq"
    claimed = set()
    for name in tensors:
        if not name.endswith(".qweight"):
            continue
        module = name[:-len(".qweight")]
        claimed.update(module + suffix for suffix in (".qweight", ".qzeros", ".scaled_zeros", ".scales"))
        if version != "gemm":
            checkpoint.weights[module] = awq_kinds.read_weight(module, version, quantization["group_size"], tensors, checkpoint.file_of[name])
            continue
        parts = [tensors[module + suffix] for suffix in (".qweight", ".qzeros", ".scales")]
        qweight, qzeros, scales = parts
        columns, out = qweight.shape[0], qweight.shape[1] * 8
        size = quantization["group_size"] if quantization["group_size"] > 0 else columns
        if columns % size or scales.shape != [columns // size, out] or qzeros.shape != [columns // size, out // 8]:
            raise Refusal(4, module + ": shapes contradict the group size")
        values = floats.decode(scales.data, scales.dtype)
        if any(not abs(value) < float("inf") for value in values):
            raise Refusal(4, module + ": a scale is not finite (R-NONFINITE)")
        zeros = unpack(qzeros)
        checkpoint.weights[module] = Weight(
            module, 4, transpose(unpack(qweight), out), [[line[n] for line in zeros] for n in range(out)],
            [values[n::out] for n in range(out)], scales.dtype, file=checkpoint.file_of[name])
    checkpoint.floats = {name: tensor for name, tensor in tensors.items() if name not in claimed}
    return checkpoint


def tensors_of(weight):
    by_column = transpose(weight.codes, weight.in_)
    zeros = [[int(weight.zeros[n][g]) for n in range(weight.out)] for g in range(weight.groups)]
    scales = [weight.scales[n][g] for g in range(weight.groups) for n in range(weight.out)]
    return {weight.name + ".qweight": pack(by_column), weight.name + ".qzeros": pack(zeros),
            weight.name + ".scales": st.Tensor("F16", [weight.groups, weight.out], floats.encode(scales, "F16"))}


def check():
    """The golden word of the format's description; returns the number of comparisons."""
    tensor = pack([bytes(range(8))])
    assert tensor.data == bytes.fromhex("20643175"), tensor.data.hex()
    lines = [bytes((7 * k + 3 * n) % 16 for n in range(24)) for k in range(5)]
    assert unpack(pack(lines)) == lines and unpack(tensor) == [bytes(range(8))]
    return 3
