"""bitsandbytes: NF4 and FP4 (codes of a table times the block's absmax, over the flattened tensor), and int8 with a scale for each row.

    X.weight U8 [ceil(N*K/2)][1]   element 2i in the HIGH nibble
    X.weight.absmax                F32 [blocks], or U8 [blocks] where nested:
                                   absmax = nested_quant_map[u8] * nested_absmax[block / 256] + nested_offset, each step in F32
    X.weight.quant_map             F32 [16]
    X.weight.quant_state.bitsandbytes__nf4 | __fp4   U8, JSON
    int8: X.weight I8 [N][K], X.SCB F32 [N], X.weight_format U8 []: w = q * SCB * (1/127)
"""
import json
import os
import struct

import floats
import st
from floats import single
from st import Refusal
from weight import Checkpoint, Dense, Weight

NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
       -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
       0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
FP4 = [single(value / 12) for value in (0, 0.0625, 8, 12, 4, 6, 2, 3)]
TABLES = {"nf4": [single(value) for value in NF4], "fp4": FP4 + [-value for value in FP4]}
INVERSE = single(1 / 127)
STATE = ".quant_state.bitsandbytes__"


def absmax_of(module, tensors, state):
    stored = tensors[module + ".weight.absmax"]
    if stored.dtype == "F32":
        return floats.decode(stored.data, "F32")
    table = floats.decode(tensors[module + ".weight.nested_quant_map"].data, "F32")
    outer = floats.decode(tensors[module + ".weight.nested_absmax"].data, "F32")
    size, offset = state["nested_blocksize"], single(state["nested_offset"])
    return [single(single(table[code] * outer[block // size]) + offset) for block, code in enumerate(stored.data)]


def read_four(module, kind, tensors, file):
    state = json.loads(tensors[module + ".weight" + STATE + kind].data)
    rows, columns = state["shape"]
    size, table = state["blocksize"], floats.decode(tensors[module + ".weight.quant_map"].data, "F32")
    data, absmax = tensors[module + ".weight"].data, absmax_of(module, tensors, state)
    if len(data) != -(-rows * columns // 2) or len(absmax) != -(-rows * columns // size):
        raise Refusal(4, module + ": bytes contradict the shape")
    codes = [code for byte in data for code in (byte >> 4, byte & 15)][:rows * columns]
    flat = []
    for at in range(0, len(codes), size):
        scale = absmax[at // size]
        pairs = [(value * scale, single(value * scale)) for value in table]
        flat += [pairs[code] for code in codes[at:at + size]]
    lines = [flat[n * columns:(n + 1) * columns] for n in range(rows)]
    return Dense(module + ".weight", kind, [rows, columns], lines, file)


class Rows(Weight):
    """int8 rows: the scale is 1/127 of the row's largest magnitude, a product that F32 rounds; a value is two products, in this order."""
    __slots__ = ("largest",)

    def pair(self, code, row, group):
        value = single(single((code - 128) * self.largest[row]) * INVERSE)
        return (code - 128) * self.largest[row] * INVERSE, value


def read_int8(module, tensors, file):
    tensor = tensors[module + ".weight"]
    rows, columns = tensor.shape
    largest = floats.decode(tensors[module + ".SCB"].data, "F32")
    codes = [bytes(byte ^ 128 for byte in tensor.data[at:at + columns]) for at in range(0, rows * columns, columns)]
    layer = Rows(module, 8, codes, [[128]] * rows, [[scale * INVERSE] for scale in largest], "F32", file=file, group=0)
    layer.largest = largest
    return layer


def read(directory):
    checkpoint = Checkpoint("bitsandbytes", directory)
    checkpoint.config = st.load_json(os.path.join(directory, "config.json"))
    tensors, checkpoint.file_of = st.read_directory(directory)
    claimed = set()
    for name in tensors:
        for kind in TABLES:
            if name.endswith(".weight" + STATE + kind):
                module = name[:-len(".weight" + STATE + kind)]
                checkpoint.dense[module] = read_four(module, kind, tensors, checkpoint.file_of[module + ".weight"])
                claimed.update(other for other in tensors if other.startswith(module + ".weight"))
        if name.endswith(".SCB"):
            module = name[:-len(".SCB")]
            checkpoint.weights[module] = read_int8(module, tensors, checkpoint.file_of[module + ".weight"])
            claimed.update((name, module + ".weight", module + ".weight_format"))
    checkpoint.floats = {name: tensor for name, tensor in tensors.items() if name not in claimed}
    return checkpoint


def f32(values):
    return st.Tensor("F32", [len(values)], floats.encode(values, "F32"))


def random_layer(rng, name, rows, columns, kind, block, nested, dtype):
    """Tensors of a random layer."""
    weight = name + ".weight"
    if kind == "int8":
        data = bytes(rng.randrange(-127, 128) & 255 for _ in range(rows * columns))
        return {weight: st.Tensor("I8", [rows, columns], data), name + ".SCB": f32([single(rng.uniform(0.01, 2)) for _ in range(rows)]),
                name + ".weight_format": st.Tensor("U8", [], b"\0")}
    count = rows * columns
    blocks = -(-count // block)
    data = bytearray(rng.randbytes(-(-count // 2)))
    if count % 2:
        data[-1] &= 0xF0
    state = {"quant_type": kind, "blocksize": block, "dtype": dtype, "shape": [rows, columns]}
    made = {weight: st.Tensor("U8", [len(data), 1], bytes(data)), weight + ".quant_map": f32(TABLES[kind])}
    if nested:
        state.update({"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": rng.uniform(0.001, 0.1)})
        made[weight + ".absmax"] = st.Tensor("U8", [blocks], rng.randbytes(blocks))
        made[weight + ".nested_absmax"] = f32([single(rng.uniform(0.001, 0.1)) for _ in range(-(-blocks // 256))])
        made[weight + ".nested_quant_map"] = f32([single((k - 127) / 128) for k in range(256)])
    else:
        made[weight + ".absmax"] = f32([single(rng.uniform(0.001, 2)) for _ in range(blocks)])
    text = json.dumps(state).encode()
    made[weight + STATE + kind] = st.Tensor("U8", [len(text)], text)
    return made


def check():
    assert struct.pack("<f", INVERSE) == struct.pack("<f", 7.874015718698502e-3)
    assert TABLES["fp4"][1] == single(0.0052083333) and TABLES["fp4"][11] == -1 and TABLES["nf4"][7] == 0
    tensors = {"x.weight": st.Tensor("U8", [2, 1], b"\x0f\x70"), "x.weight.absmax": f32([2.0]), "x.weight.quant_map": f32(NF4),
               "x.weight" + STATE + "nf4": st.Tensor("U8", [1], b'{"shape":[1,3],"blocksize":64}')}
    assert [value for _, value in read_four("x", "nf4", tensors, None).rows[0]] == [-2.0, 2.0, 0.0]
    return 5
