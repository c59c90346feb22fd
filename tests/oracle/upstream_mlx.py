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
        mine, stored = self.settings(name), self.scales(name)
        scales, biases = to(stored), to_torch(self.arrays[name + ".biases"]).to(to(stored).dtype)
        if not torch.equal(scales, stored.to(scales.dtype)):     # rounded: a bias is -z * s, so it moves with its scale
            biases = -self.zeros(name).to(scales.dtype) * scales
        with mx.stream(mx.cpu):
            return to_torch(mx.dequantize(self.arrays[name + ".weight"], to_mlx(scales), to_mlx(biases), group_size=mine["group_size"],
                                          bits=mine["bits"]))

    def scales(self, name):
        return to_torch(self.arrays[name + ".scales"])

    def zeros(self, name):
        """-bias / scale: an integer only where the file was made from integers."""
        scales, biases = self.scales(name).double(), to_torch(self.arrays[name + ".biases"]).double()
        return torch.where(scales == 0, torch.zeros_like(scales), -biases / scales)

    def shape(self, name):
        scales = self.arrays[name + ".scales"]
        return [scales.shape[0], scales.shape[1] * self.settings(name)["group_size"]]


def quantize(weight, bits, group_size):
    """(weight U32 as I32, scales, biases) of mx.quantize for a float tensor, as torch tensors."""
    with mx.stream(mx.cpu):
        packed, scales, biases = mx.quantize(to_mlx(weight), group_size=group_size, bits=bits)
    return to_torch(packed.view(mx.int32)), to_torch(scales), to_torch(biases)
