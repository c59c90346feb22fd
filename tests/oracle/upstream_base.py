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

NOT_YET = ("this version", "found an unknown option", 'found type "W8A8', "found pytorch_model")     # how earlier versions of repaq say so


class NotYet(Exception):
    """The given repaq says that it cannot do this yet."""


def rounder(dtype):
    return lambda scales: scales.to(dtype).double()


ROUND = {dtype: rounder(dtype) for dtype in (torch.float32, torch.float16, torch.bfloat16)}       # functions that stay the same: with_order keeps them


def differ(name, found, wanted, bits=False):
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return ["%s: %s %s, expected %s %s" % (name, found.dtype, list(found.shape), wanted.dtype, list(wanted.shape))]
    same = torch.equal(found, wanted)
    if bits and found.is_floating_point():
        raw = {4: torch.int32, 2: torch.int16, 8: torch.int64, 1: torch.int8}[found.element_size()]
        same = torch.equal(found.contiguous().view(raw), wanted.contiguous().view(raw))
    if same:
        return []
    furthest = float((found.double() - wanted.double()).abs().max())
    return ["%s: %d of %d values differ, by up to %g" % (name, int((found != wanted).sum()), found.numel(), furthest)]


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

    def is_integer(self, name):
        """values(name, double) are real numbers that another integer format can hold"""
        return self.exact

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
