"""MLX on the CPU as a reader, mx.dequantize, and as the judge of quantizing into mlx, mx.quantize."""
import os

import mlx.core as mx
import numpy
import torch

from upstream_base import Reading

mx.set_default_device(mx.cpu)
TO_MLX = {torch.float64: mx.float64, torch.float32: mx.float32, torch.float16: mx.float16, torch.bfloat16: mx.bfloat16}


def to_torch(array):
    if array.dtype == mx.bfloat16:
        return torch.from_numpy(numpy.array(array.astype(mx.float32))).to(torch.bfloat16)
    return torch.from_numpy(numpy.array(array))


def to_mlx(tensor):
    if tensor.dtype == torch.bfloat16:
        return mx.array(tensor.float().numpy()).astype(mx.bfloat16)
    return mx.array(tensor.contiguous().numpy(), dtype=TO_MLX.get(tensor.dtype))


class Mlx(Reading):
    format = "mlx"

    def find(self):
        self.arrays = {}
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".safetensors"):
                found, metadata = mx.load(os.path.join(self.directory, name), return_metadata=True)
                if metadata.get("format") != "mlx":
                    raise ValueError("%s: metadata %r" % (name, metadata))
                self.arrays.update(found)
        self.quantization = self.config["quantization"]
        if self.config.get("quantization_config") != self.quantization:
            raise ValueError("quantization_config is not the mirror of quantization")
        for name in sorted(self.arrays):
            if name.endswith(".scales"):
                module = name[:-len(".scales")]
                self.weights.append(module)
                self.bits[module] = self.settings(module)["bits"]
                self.take(module, "weight", "scales", "biases")

    def settings(self, module):
        """As mlx-lm's class predicate: an entry of the module's own, else the general members."""
        own = self.quantization.get(module)
        if own is False:
            raise ValueError(module + " is quantized, and `quantization` says false")
        return own or self.quantization

    def values(self, name, to):
        if not self.is_integer(name):
            return self.float(name, torch.float32)
        mine, stored = self.settings(name), self.scales(name)
        scales, biases = to(stored), to_torch(self.arrays[name + ".biases"]).to(to(stored).dtype)
        if not torch.equal(scales, stored.to(scales.dtype)):     # rounded: a bias is -z * s, so it moves with its scale
            biases = -self.zeros(name).to(scales.dtype) * scales
        with mx.stream(mx.cpu):
            return to_torch(mx.dequantize(self.arrays[name + ".weight"], to_mlx(scales), to_mlx(biases), group_size=mine["group_size"],
                                          bits=mine["bits"]))

    def is_integer(self, name):
        return self.settings(name).get("mode", "affine") == "affine"

    def float(self, name, dtype):
        if self.is_integer(name):
            return super().float(name, dtype)
        mine = self.settings(name)
        with mx.stream(mx.cpu):
            value = mx.dequantize(self.arrays[name + ".weight"], self.arrays[name + ".scales"], group_size=mine["group_size"], bits=mine["bits"],
                                  mode=mine["mode"], dtype=mx.float32)
        return to_torch(value).to(dtype)

    def scales(self, name):
        return to_torch(self.arrays[name + ".scales"])

    def zeros(self, name):
        """-bias / scale: an integer only where the file was made from integers."""
        scales, biases = self.scales(name).double(), to_torch(self.arrays[name + ".biases"]).double()
        return torch.where(scales == 0, torch.zeros_like(scales), -biases / scales)

    def shape(self, name):
        scales = self.arrays[name + ".scales"]
        return list(scales.shape[:-1]) + [scales.shape[-1] * self.settings(name)["group_size"]]


def sanitized(directory, found):
    """What mlx-lm makes of a gpt-oss checkpoint when it loads it, against the arrays that were written: [] or what differs."""
    from mlx_lm.models.gpt_oss import Model
    arrays = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".safetensors"):
            arrays.update(mx.load(os.path.join(directory, name)))
    wanted = Model.sanitize(None, arrays)
    problems = ["other arrays: %s" % sorted(set(wanted) ^ set(found.arrays))[:4]] if set(wanted) != set(found.arrays) else []
    for name in set(wanted) & set(found.arrays):
        one, other = wanted[name], found.arrays[name]
        if one.dtype != other.dtype or one.shape != other.shape or not mx.array_equal(mx.contiguous(one).view(mx.uint8), other.view(mx.uint8)):
            problems.append("%s: %s %s, expected %s %s, or other bytes" % (name, other.dtype, other.shape, one.dtype, one.shape))
    return problems


def quantize_mxfp4(weight):
    """(weight U32, scales U8) of mx.quantize in mode mxfp4, as torch tensors."""
    with mx.stream(mx.cpu):
        packed, scales = mx.quantize(to_mlx(weight), group_size=32, bits=4, mode="mxfp4")
    return torch.from_numpy(numpy.array(packed)), to_torch(scales)


def quantize(weight, bits, group_size):
    """(weight U32 as I32, scales, biases) of mx.quantize for a float tensor, as torch tensors."""
    with mx.stream(mx.cpu):
        packed, scales, biases = mx.quantize(to_mlx(weight), group_size=group_size, bits=bits)
    return to_torch(packed.view(mx.int32)), to_torch(scales), to_torch(biases)
