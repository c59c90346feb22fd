"""Float checkpoints, and rounding to nearest: what `--bits` makes of a float weight.

    symmetric    s = absmax / (2^(b-1) - 1), z = 2^(b-1)
    asymmetric   the range extended to 0: s = (max - min) / (2^b - 1), z = rne(-min / s)
    s is rounded to its dtype first; then q = clamp(rne(w / s) + z). All of it in F32. MLX: as mx.quantize (mlx_affine.py).
"""
import os
import re

import floats
import mlx_affine
import st
from floats import single
from weight import Checkpoint, Weight

LINEAR = re.compile(r"^model\.layers\.\d+\.(self_attn|mlp)(\.experts\.\d+|\.shared_expert)?\.[a-z_]+_proj\.weight$")


def read(directory):
    checkpoint = Checkpoint("hf", directory)
    path = os.path.join(directory, "config.json")
    checkpoint.config = st.load_json(path) if os.path.exists(path) else None
    checkpoint.floats, checkpoint.file_of = st.read_directory(directory)
    return checkpoint


def round_group(values, bits, asymmetric, dtype):
    """(scale, zero, codes) of one group"""
    top, middle = (1 << bits) - 1, 1 << (bits - 1)
    low, high = min(min(values), 0.0), max(max(values), 0.0)
    exact = single(single(high - low) / top) if asymmetric else single(max(-low, high) / (middle - 1))
    scale = floats.round_to(exact, dtype)
    if scale == 0:
        return 0.0, middle, bytes([middle]) * len(values)
    zero = round(single(-low / scale)) if asymmetric else middle
    zero = min(max(zero, 0), top)
    return scale, zero, bytes(min(max(round(single(value / scale)) + zero, 0), top) for value in values)


def quantize(checkpoint, bits, size, asymmetric, dtype_of, as_mlx):
    """A Checkpoint whose Linears in the decoder blocks are rounded. dtype_of: the dtype of a weight's scales from the weight's own."""
    made = Checkpoint("hf", checkpoint.directory)
    made.config, made.file_of = checkpoint.config, checkpoint.file_of
    for name, tensor in checkpoint.floats.items():
        if not LINEAR.match(name):
            made.floats[name] = tensor
            continue
        rows, columns = tensor.shape
        values, width = floats.decode(tensor.data, tensor.dtype), size if size > 0 else columns
        dtype, codes, first, second = dtype_of(tensor.dtype), [], [], []
        if as_mlx:                                   # whose scales have the weight's dtype: another one is the weight's first
            values = [floats.round_to(value, dtype) for value in values]
        for row in range(rows):
            line = values[row * columns:(row + 1) * columns]
            groups = [line[at:at + width] for at in range(0, columns, width)]
            if as_mlx:
                parts = [mlx_affine.quantize(group, bits) for group in groups]
                parts = [(floats.round_to(scale, dtype), floats.round_to(bias, dtype), got) for scale, bias, got in parts]
            else:
                parts = [round_group(group, bits, asymmetric, dtype) for group in groups]
            first.append([part[0] for part in parts])
            second.append([part[1] for part in parts])
            codes.append(b"".join(part[2] for part in parts))
        module = name[:-len(".weight")]
        zeros, biases = (None, second) if as_mlx else (second, None)
        made.weights[module] = Weight(module, bits, codes, zeros, first, dtype, None, checkpoint.file_of.get(name), width, biases)
    return made


def check():
    assert round_group([-1.0, 0.5, 0.25, 0.0], 4, False, "F32") == (single(1 / 7), 8, bytes([1, 11, 10, 8]))
    assert round_group([-1.0, 0.5, 0.25, 2.0], 4, True, "F32") == (single(3 / 15), 5, bytes([0, 7, 6, 15]))
    assert round_group([0.0] * 4, 4, False, "F16") == (0.0, 8, bytes([8] * 4))
    return 3
