"""Small compressed-tensors, MLX and W8A8 checkpoints for tests, made without repaq."""
import pathlib
import struct

import checkpoint
from checkpoint import CONFIG, f16, f32, floats, i32, turned, write_json, write_tensors


def stream(values, bits, spare=False):
    """Fields of one lane in 32-bit words, lowest bits first: crossing words, or (before 0.18.0) never."""
    if spare:
        return checkpoint.pack_words([values], bits)
    whole = sum(value << (bits * i) for i, value in enumerate(values))
    return [whole >> (32 * w) & 0xffffffff for w in range(-(-len(values) * bits // 32))]


def flat(rows):
    return [value for row in rows for value in row]


def packed(rows, bits, spare=False):
    """[lanes, words] and their bytes."""
    words = [stream(row, bits, spare) for row in rows]
    return [len(words), len(words[0])], i32(flat(words))


def i8(values):
    return bytearray(value & 255 for value in values)


def ct_tensors(table, asymmetric, order=False, spare=False):
    tensors = floats()
    for name, weight in table.items():
        shape, body = packed(weight.codes, weight.bits, spare)
        tensors[name + ".weight_packed"] = ["I32", shape, body]
        tensors[name + ".weight_scale"] = ["F16", [weight.out, weight.groups], f16(flat(weight.scales))]
        tensors[name + ".weight_shape"] = ["I64", [2], bytearray(struct.pack("<2q", weight.out, weight.inner))]
        if asymmetric:
            shape, body = packed(turned(weight.zeros), weight.bits, spare)  # words along out: one lane a group
            words = struct.unpack(f"<{shape[0] * shape[1]}I", body)
            tensors[name + ".weight_zero_point"] = ["I32", shape[::-1], i32([words[g * shape[1] + w] for w in range(shape[1]) for g in range(shape[0])])]
        if order:
            tensors[name + ".weight_g_idx"] = ["I32", [weight.inner], i32(weight.group_of)]
    return tensors


def ct_config(bits, group, asymmetric, version="0.19.0", activations=None):
    weights = {"num_bits": bits, "type": "int", "symmetric": not asymmetric, "strategy": "channel" if group == -1 else "group",
               "group_size": None if group == -1 else group}
    kind = "int-quantized" if activations else "pack-quantized"
    return {"quant_method": "compressed-tensors", "format": kind, "version": version, "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": activations, "format": kind}}}


def make_ct(folder, table, asymmetric=False, group=32, order=False, spare=False):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    bits = next(iter(table.values())).bits
    write_json(folder / "config.json", dict(CONFIG, quantization_config=ct_config(bits, group, asymmetric, "0.12.3" if spare else "0.19.0")))
    write_tensors(folder / "model.safetensors", ct_tensors(table, asymmetric, order, spare))


def make_ct_int8(folder, table, static=False, asymmetric=False):
    """int-quantized W8A8, per channel."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    activations = {"num_bits": 8, "type": "int", "symmetric": not static, "strategy": "tensor" if static else "token", "dynamic": not static}
    write_json(folder / "config.json", dict(CONFIG, quantization_config=ct_config(8, -1, asymmetric, activations=activations)))
    tensors = floats()
    for name, weight in table.items():
        tensors[name + ".weight"] = ["I8", [weight.out, weight.inner], i8([code - 128 for code in flat(weight.codes)])]
        tensors[name + ".weight_scale"] = ["F16", [weight.out, 1], f16(flat(weight.scales))]
        if asymmetric:
            tensors[name + ".weight_zero_point"] = ["I8", [weight.out, 1], i8([zero - 128 for zero in flat(weight.zeros)])]
        if static:
            tensors[name + ".input_scale"] = ["F16", [1], f16([0.03125])]
            tensors[name + ".input_zero_point"] = ["I8", [1], i8([-3])]
    write_tensors(folder / "model.safetensors", tensors)


def make_mlx(folder, table, group=32):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    bits = next(iter(table.values())).bits
    quantization = {"group_size": group, "bits": bits, "mode": "affine", "lm_head": False}
    write_json(folder / "config.json", dict(CONFIG, quantization=quantization, quantization_config=quantization))
    tensors = floats()
    for name, weight in table.items():
        shape, body = packed(weight.codes, bits)
        pairs = list(zip(flat(weight.scales), flat(weight.zeros)))
        tensors[name + ".weight"] = ["U32", shape, body]
        tensors[name + ".scales"] = ["F32", [weight.out, weight.groups], f32([scale for scale, _ in pairs])]
        tensors[name + ".biases"] = ["F32", [weight.out, weight.groups], f32([-zero * scale for scale, zero in pairs])]
    write_tensors(folder / "model.safetensors", tensors)


MS_FILES = ("quant_model_weight_w8a8.safetensors", "quant_model_description_w8a8.json")


def make_ms_static(folder, table, wide=True, scales=True, step=0.03125):
    """W8A8 with static activations, of this input scale: deq_scale as an I64 or an F32; v1 leaves the scales out."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", CONFIG)
    tensors = floats("F32")
    description = {"model_quant_type": "W8A8"}
    description.update({name: "FLOAT" for name in tensors})
    for name, weight in table.items():
        codes, scale = [[code - 128 for code in row] for row in weight.codes], flat(weight.scales)
        deq = [struct.unpack("<i", struct.pack("<f", step * s))[0] for s in scale]
        parts = {".weight": ["I8", [weight.out, weight.inner], i8(flat(codes))],
                 ".input_scale": ["F32", [1], f32([step])], ".input_offset": ["F32", [1], f32([-3.0])],
                 ".deq_scale": ["I64" if wide else "F32", [weight.out], bytearray(struct.pack(f"<{weight.out}{'q' if wide else 'i'}", *deq))],
                 ".quant_bias": ["I32", [weight.out], bytearray(struct.pack(f"<{weight.out}i", *[3 * sum(row) for row in codes]))]}
        if scales:
            parts[".weight_scale"] = ["F32", [weight.out, 1], f32(scale)]
            parts[".weight_offset"] = ["F32", [weight.out, 1], f32([0.0] * weight.out)]
        for suffix, tensor in parts.items():
            tensors[name + suffix] = tensor
            description[name + suffix] = "W8A8"
    write_tensors(folder / MS_FILES[0], tensors)
    write_json(folder / MS_FILES[1], description)
