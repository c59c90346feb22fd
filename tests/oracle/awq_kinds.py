"""AutoAWQ's other layouts, 4 bits, read only: GEMV, GEMV_FAST and llm-awq.

GEMV       qweight I32 [N][K/8] and qzeros I32 [N][Z], natural order along a row; scales F16 [N][8Z]
GEMV_FAST  qweight I16 [N/4][K]; scales F16 [8Z][N]; qzeros F16 [8Z][N] = -(s*z), rounded. llm-awq names the last `scaled_zeros`
           The I16 at position t of a run of 64 in row block n4 holds in nibble i the code of row 4*n4 + t/16 and column
           64*run + 32*block + 8*d + 2*a + c, where 4*(t%16) + i = 32*block + 8*a + 4*c + d
Z = ceil(ceil(G/8)/m)*m, m = 1, 2 or 4 for groups of 128 and more, 64 or 32; what is beyond G is 0 and means nothing.
"""
import floats
import st
import streams
from st import Refusal
from weight import Weight


def padded_groups(columns, size):
    multiple, groups = 1 if size >= 128 else {64: 2, 32: 4}[size], -(-columns // size)
    words = -(-groups // 8)
    return 8 * (-(-words // multiple) * multiple)


def fast_place(t, i):
    """(row within 4, column within 64) of nibble i of the I16 at position t"""
    position = 4 * (t % 16) + i
    block, rest = divmod(position, 32)
    a, rem = divmod(rest, 8)
    c, d = divmod(rem, 4)
    return t // 16, 32 * block + 8 * d + 2 * a + c


PLACES = [[fast_place(t, i) for i in range(4)] for t in range(64)]


def zero_of(scale, stored, dtype, where):
    """The zero whose -(s*z) is stored; 8 in a dead group."""
    if scale == 0:
        if stored != 0:
            raise Refusal(6, where + ": scale 0 and a scaled zero", 4)
        return 8
    zero = round(-stored / scale) if abs(stored) < float("inf") else -1
    if floats.round_to(floats.single(-scale * zero), dtype) != stored:
        raise Refusal(6, where + ": no zero gives -(s*z)", 4)
    return zero


def read_weight(module, version, size, tensors, file):
    qweight, scales = tensors[module + ".qweight"], tensors[module + ".scales"]
    values = floats.decode(scales.data, scales.dtype)
    if version == "gemv":
        rows, columns = qweight.shape[0], qweight.shape[1] * 8
        wide, groups = scales.shape[1], columns // size if size > 0 else 1
        codes = [streams.unpack(qweight.data[n * columns // 2:(n + 1) * columns // 2], 4, columns) for n in range(rows)]
        rows_of = [values[n * wide:n * wide + groups] for n in range(rows)]
        stored = tensors[module + ".qzeros"].data
        zeros = [list(streams.unpack(stored[n * wide // 2:(n + 1) * wide // 2], 4, wide))[:groups] for n in range(rows)]
    else:
        rows, columns = qweight.shape[0] * 4, qweight.shape[1]
        groups = columns // size if size > 0 else 1
        matrix = [bytearray(columns) for _ in range(rows)]
        for at in range(0, len(qweight.data), 2):
            n4, k = divmod(at // 2, columns)
            word = int.from_bytes(qweight.data[at:at + 2], "little")
            for i, (row, column) in enumerate(PLACES[k % 64]):
                matrix[4 * n4 + row][k // 64 * 64 + column] = word >> (4 * i) & 15
        codes = [bytes(row) for row in matrix]
        rows_of = [[values[g * rows + n] for g in range(groups)] for n in range(rows)]
        scaled = tensors.get(module + ".qzeros") or tensors[module + ".scaled_zeros"]
        minus = floats.decode(scaled.data, scaled.dtype)
        zeros = [[zero_of(rows_of[n][g], minus[g * rows + n], scaled.dtype, module) for g in range(groups)] for n in range(rows)]
    if any(not abs(value) < float("inf") for row in rows_of for value in row):
        raise Refusal(4, module + ": a scale is not finite (R-NONFINITE)")
    return Weight(module, 4, codes, zeros, rows_of, scales.dtype, file=file)


def tensors_of(weight, version):
    name, rows, columns, groups = weight.name, weight.out, weight.in_, weight.groups
    wide = padded_groups(columns, weight.group or columns)
    if version == "gemv":
        zeros = b"".join(streams.pack(bytes([int(z) for z in row] + [0] * (wide - groups)), 4) for row in weight.zeros)
        scales = [value for row in weight.scales for value in row + [0.0] * (wide - groups)]
        return {name + ".qweight": st.Tensor("I32", [rows, columns // 8], b"".join(streams.pack(row, 4) for row in weight.codes)),
                name + ".qzeros": st.Tensor("I32", [rows, wide // 8], zeros),
                name + ".scales": st.Tensor("F16", [rows, wide], floats.encode(scales, "F16"))}
    data = bytearray()
    for n4 in range(rows // 4):
        for k in range(columns):
            word = 0
            for i, (row, column) in enumerate(PLACES[k % 64]):
                word |= weight.codes[4 * n4 + row][k // 64 * 64 + column] << (4 * i)
            data += word.to_bytes(2, "little")
    padding = [0.0] * ((wide - groups) * rows)
    dtype = weight.scale_dtype
    scales = [weight.scales[n][g] for g in range(groups) for n in range(rows)] + padding
    scaled = [floats.single(-weight.scales[n][g] * weight.zeros[n][g]) for g in range(groups) for n in range(rows)] + padding
    return {name + ".qweight": st.Tensor("I16", [rows // 4, columns], bytes(data)),
            name + ".scales": st.Tensor(dtype, [wide, rows], floats.encode(scales, dtype)),
            name + (".scaled_zeros" if version == "llm-awq" else ".qzeros"): st.Tensor(dtype, [wide, rows], floats.encode(scaled, dtype))}


def check():
    """The small check of the description; each layout there and back. Returns the number of comparisons."""
    codes = [bytes((k // 4 + n) % 16 for k in range(64)) for n in range(4)]
    weight = Weight("x", 4, [row * 2 for row in codes] * 2, [[n, 15 - n] for n in range(8)], [[0.5, 0.3330078125]] * 8, "F16")
    for version in ("gemv", "gemv_fast", "llm-awq"):
        found = read_weight("x", version, 64, tensors_of(weight, version), None)
        assert (found.codes, found.zeros, found.scales) == (weight.codes, weight.zeros, weight.scales)
    words = tensors_of(weight, "gemv_fast")["x.qweight"].data[:40]
    first = [int.from_bytes(words[at:at + 2], "little") for at in range(0, 40, 2)]
    assert first == [0x6420] * 4 + [0x7531] * 4 + [0xECA8] * 4 + [0xFDB9] * 4 + [0x7531] * 4, [hex(word) for word in first]
    return 4
