"""FP8 (E4M3 codes times a scale) and MXFP4 as in gpt-oss: read only, and only to float.

fp8     X.weight F8_E4M3 [N][K] and one of
        X.weight_scale_inv  [ceil(N/bn)][ceil(K/bk)]   multiplies, in blocks of weight_block_size
        X.weight_scale      [] or [1], or [N][1] or [N]
mxfp4   X_blocks U8 [E][R][C/32][16]: byte j holds element 2j (low) and 2j+1 (high), E2M1; X_scales U8 [E][R][C/32], E8M0.
        The float tensor is X [E][C][R], as the model stores it.
"""
import os

import floats
import st
from floats import single
from st import Refusal
from weight import Checkpoint, Dense

E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
E2M1 += [-value for value in E2M1]
E4M3 = [floats.e4m3(code) for code in range(256)]


def fp8_scales(module, tensors, block):
    """(scale tensor, rows of a block, columns of a block)"""
    rows, columns = tensors[module + ".weight"].shape
    if module + ".weight_scale_inv" in tensors:
        scale = tensors[module + ".weight_scale_inv"]
        if scale.shape != [-(-rows // block[0]), -(-columns // block[1])]:
            raise Refusal(4, module + ": weight_scale_inv of shape %s" % scale.shape)
        return scale, block[0], block[1]
    scale = tensors[module + ".weight_scale"]
    if st.product(scale.shape) == 1:
        return scale, rows, columns
    if scale.shape not in ([rows], [rows, 1]):
        raise Refusal(4, module + ": weight_scale of shape %s" % scale.shape)
    return scale, 1, columns


def read_fp8(module, tensors, block, file):
    weight = tensors[module + ".weight"]
    rows, columns = weight.shape
    scale, high, wide = fp8_scales(module, tensors, block)
    scales, across = floats.decode(scale.data, scale.dtype), -(-columns // wide)
    lines = []
    for n in range(rows):
        line = []
        for at in range(0, columns, wide):
            one = scales[n // high * across + at // wide]
            line += [(E4M3[code] * one, single(E4M3[code] * one)) for code in weight.data[n * columns + at:n * columns + min(at + wide, columns)]]
        lines.append(line)
    return Dense(module + ".weight", "fp8", [rows, columns], lines, file)


def read_mxfp4(name, tensors, file):
    blocks, scales = tensors[name + "_blocks"], tensors[name + "_scales"]
    experts, rows, groups, _ = blocks.shape
    if scales.shape != [experts, rows, groups] or blocks.shape[3] != 16:
        raise Refusal(4, name + ": blocks and scales do not fit")
    lines = []
    for expert in range(experts):
        stored = []
        for row in range(rows):
            line = []
            for group in range(groups):
                at = (expert * rows + row) * groups + group
                power = floats.e8m0(scales.data[at])
                for byte in blocks.data[16 * at:16 * at + 16]:
                    line += [(E2M1[code] * power, single(E2M1[code] * power)) for code in (byte & 15, byte >> 4)]
            stored.append(line)
        lines += [list(column) for column in zip(*stored)]
    return Dense(name, "mxfp4", [experts, groups * 32, rows], lines, file)


def read(directory):
    config = st.load_json(os.path.join(directory, "config.json"))
    quantization = config["quantization_config"]
    checkpoint = Checkpoint("mxfp4" if quantization["quant_method"] == "mxfp4" else "fp8", directory)
    checkpoint.config = config
    tensors, checkpoint.file_of = st.read_directory(directory)
    claimed = set()
    for name, tensor in tensors.items():
        if name.endswith("_blocks"):
            base = name[:-len("_blocks")]
            checkpoint.dense[base] = read_mxfp4(base, tensors, checkpoint.file_of[name])
            claimed.update((name, base + "_scales"))
        elif tensor.dtype == "F8_E4M3":
            module = name[:-len(".weight")]
            checkpoint.dense[module] = read_fp8(module, tensors, quantization.get("weight_block_size"), checkpoint.file_of[name])
            claimed.update((name, module + ".weight_scale", module + ".weight_scale_inv", module + ".input_scale"))
    checkpoint.floats = {name: tensor for name, tensor in tensors.items() if name not in claimed}
    return checkpoint


def random_fp8(rng, name, rows, columns, kind, block, scale_dtype):
    """kind: block, tensor, scalar, channel or vector"""
    shape = {"block": [-(-rows // block[0]), -(-columns // block[1])], "tensor": [1], "scalar": [], "channel": [rows, 1], "vector": [rows]}[kind]
    codes = bytes(code if code & 127 != 127 else 0x7E for code in rng.randbytes(rows * columns))
    values = [rng.uniform(0.0001, 0.01) for _ in range(st.product(shape))]
    return {name + ".weight": st.Tensor("F8_E4M3", [rows, columns], codes),
            name + (".weight_scale_inv" if kind == "block" else ".weight_scale"): st.Tensor(scale_dtype, shape, floats.encode(values, scale_dtype))}


def random_mxfp4(rng, name, experts, rows, columns):
    groups = columns // 32
    scales = bytes(rng.randrange(110, 125) for _ in range(experts * rows * groups))
    return {name + "_blocks": st.Tensor("U8", [experts, rows, groups, 16], rng.randbytes(experts * rows * groups * 16)),
            name + "_scales": st.Tensor("U8", [experts, rows, groups], scales)}


def check():
    tensors = {"x_blocks": st.Tensor("U8", [1, 1, 1, 16], bytes([0x21] + [0] * 14 + [0xF7])), "x_scales": st.Tensor("U8", [1, 1, 1], b"\x80")}
    found = read_mxfp4("x", tensors, None)
    column = [line[0][1] for line in found.rows]
    assert column[:3] == [1.0, 2.0, 0.0] and column[30:] == [12.0, -12.0] and found.shape == [1, 32, 1]
    tensors = {"x.weight": st.Tensor("F8_E4M3", [2, 3], bytes([0x38, 0x38, 0xB8, 0x7E, 1, 0])),
               "x.weight_scale_inv": st.Tensor("F32", [1, 2], floats.encode([0.5, 2.0], "F32"))}
    assert [[v for _, v in row] for row in read_fp8("x", tensors, [2, 2], None).rows] == [[0.5, 0.5, -2.0], [224.0, 2.0 ** -10, 0.0]]
    return 2
