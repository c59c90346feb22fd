"""What a checkpoint means to the upstream tool of its format. A Reading is made from a directory alone; `values` runs upstream code.

    reading.weights             names of the quantized modules
    reading.values(name, to)    [out][in]: upstream's dequantizer, after `to` was applied to the scales. With `torch.Tensor.double` the result
                                is exact: (q - z) * s has at most 33 significant bits. So equal F64 values are the same real numbers
    reading.float(name, dtype)  what the reference computes in F32, rounded once to dtype
    reading.scales(name)        [out][groups] as stored
    reading.zeros(name)         [out][groups] F64 in the domain of unsigned codes; None where the grid has no zero
    reading.carried             every other tensor
"""
import json
import os

import torch
from safetensors.torch import load_file

DEAD = ("weight", "weight_scale")


def load_shards(directory):
    """Every tensor of the directory's safetensors, through safetensors' own reader; (tensors, metadata of each file)."""
    tensors = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".safetensors"):
            tensors.update(load_file(os.path.join(directory, name)))
    return tensors


def load_config(directory):
    path = os.path.join(directory, "config.json")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Reading:
    format = "hf"
    bits = None                                  # of the codes, {module: bits}
    activation = ()                              # names of tensors that quantize activations
    exact = True                                 # values(name, double) are real numbers that another integer format can hold

    def __init__(self, directory):
        self.directory = directory
        self.config = load_config(directory)
        self.tensors = load_shards(directory)
        self.carried = dict(self.tensors)
        self.weights = []
        self.bits = {}
        self.find()

    def find(self):
        """Fills weights, bits and carried."""

    def take(self, module, *roles):
        """The tensors of a module, which are then no longer carried; None for one that is not there."""
        return [self.carried.pop(module + "." + role, None) for role in roles]

    def values(self, name, to):
        raise NotImplementedError

    def float(self, name, dtype):
        return self.values(name, torch.Tensor.float).to(dtype)

    def scales(self, name):
        raise NotImplementedError

    def zeros(self, name):
        raise NotImplementedError

    def act_order(self, name):
        return False

    def shape(self, name):
        return list(self.values(name, torch.Tensor.float).shape)

    def key(self, name):
        """The tensor of the float model that a weight stands for."""
        return name + ".weight"


class Float(Reading):
    """A float Hugging Face checkpoint: safetensors, or pytorch_model*.bin."""

    def find(self):
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".bin"):
                self.carried.update(torch.load(os.path.join(self.directory, name), map_location="cpu", weights_only=True))
