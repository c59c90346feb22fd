"""msModelSlim's own files as readers: its int4 packers say whether the bytes are laid out as it would, its fake quantizers give the values.

Only these files of the wheel are unpacked (REPAQ_MSMODELSLIM): the package around them wants an older transformers.
"""
import ast
import importlib.util
import json
import os
import re
import sys
import types

import torch

from upstream_base import Reading

ROOT = os.environ.get("REPAQ_MSMODELSLIM", "")
PTQ = "msmodelslim/pytorch/llm_ptq/llm_ptq_tools"
PACKERS = PTQ + "/save/complex_quantifier.py"
RELOADERS = PTQ + "/calibrator/calibrator_classes/fake_quantize"
INTEGER = {"W4A16": 4, "W8A16": 8, "W8A8": 8, "W8A8_DYNAMIC": 8}
NORM_BIAS = re.compile(r"norm[^.]*\.bias$")


def functions(path, *names):
    """Top-level functions of a file whose other imports are not to be had, compiled from its own text."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    space = {"torch": torch}
    exec(compile(tree, path, "exec"), space)
    return [space[name] for name in names]


def module(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], os.path.join(ROOT, path))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Upstream:
    def __init__(self):
        (self.pack_int4,) = functions(PACKERS, "_pack_int4")
        self.w4a16, self.w4a8 = functions(PACKERS, "_w4a16_pack_int4", "_w4a8_pack_int4")
        self.w4a16.__globals__["_pack_int4"] = self.w4a8.__globals__["_pack_int4"] = self.pack_int4
        self.weight_only = module(RELOADERS + "/w8a16_w4a16_fakequantizer.py").FakeLinearQuantizerOfW8A16OrW4A16
        name = (PTQ + "/quant_funcs").replace("/", ".")      # compiled for one interpreter; only its activation part is imported
        sys.modules.setdefault(name, types.SimpleNamespace(linear_quantization_params=None))
        for depth in range(1, name.count(".") + 1):
            sys.modules.setdefault(".".join(name.split(".")[:depth]), types.ModuleType("stub"))
        self.w8a8 = module(RELOADERS + "/w8a8_fakequantizer.py").FakeLinearQuantizerOfW8A8


def unpack_nibbles(stored, axis):
    low, high = (stored & 15), (stored >> 4) & 15
    both = torch.stack((low, high), dim=axis + 1)
    shape = list(stored.shape)
    shape[axis] *= 2
    return ((both.reshape(shape) ^ 8) - 8).to(torch.int8)


class MsModelSlim(Reading):
    format = "msmodelslim"
    up = None

    def find(self):
        MsModelSlim.up = MsModelSlim.up or Upstream()
        name = "quant_model_description.json"
        if not os.path.exists(os.path.join(self.directory, name)):
            (name,) = [file for file in os.listdir(self.directory) if re.fullmatch(r"quant_model_description_.*\.json", file)]
        with open(os.path.join(self.directory, name), encoding="utf-8") as file:
            self.description = json.load(file)
        self.packed = self.description.get("version", "0.0.0") == "1.0.0"
        self.parts, activation = {}, []
        for name in sorted(self.tensors):
            kind, (base, _, role) = self.description.get(name), name.rpartition(".")
            if role == "weight" and kind in INTEGER and base + ".weight_scale" in self.tensors:
                self.parts[base] = (kind, *self.take(base, "weight", "weight_scale", "weight_offset"))
                self.weights.append(base)
                self.bits[base] = INTEGER[kind]
            elif role in ("input_scale", "input_offset", "deq_scale", "quant_bias"):
                activation.append(self.carried.pop(name) is None or name)
            elif ".module." in name or (NORM_BIAS.search(name) and not self.tensors[name].any()):
                self.carried.pop(name, None)
        self.activation = activation + [name for name in self.weights if self.parts[name][0] == "W8A8_DYNAMIC"]

    def layout(self):
        """Bytes that msModelSlim's own packer would not have written, and tensors that the description does not name."""
        problems = [name + " has no description" for name in self.tensors if name not in self.description]
        for name, (kind, stored, scale, _) in self.parts.items():
            codes = self.codes(name)
            if kind == "W4A16" and self.packed and not torch.equal(self.up.w4a16(codes, scale.shape[-1] == 1), stored):
                problems.append(name + ": the bytes are not those of _w4a16_pack_int4")
            if stored.dtype != torch.int8 or (kind == "W4A16" and not self.packed and (stored.max() > 7 or stored.min() < -8)):
                problems.append(name + ": %s, or int4 bytes outside -8..7" % stored.dtype)
        return problems

    def codes(self, name):
        kind, stored, scale, _ = self.parts[name]
        if kind != "W4A16" or not self.packed:
            return stored
        return unpack_nibbles(stored, 1 if scale.shape[-1] == 1 else 0)

    def parameters(self, name):
        """[N][G] scales and offsets: the reloader knows no other shape. The offset of a dead group says nothing."""
        codes, (_, _, scale, offset) = self.codes(name), self.parts[name]
        scale = scale.expand(codes.shape[0]) if scale.numel() == 1 else scale
        scale = scale.reshape(codes.shape[0], -1)
        offset = torch.zeros_like(scale) if offset is None else offset
        offset = (offset.expand(codes.shape[0]) if offset.numel() == 1 else offset).reshape(scale.shape)
        return scale, torch.where(scale == 0, torch.zeros_like(offset), offset)

    def values(self, name, to):
        codes, (scale, offset) = self.codes(name), self.parameters(name)
        scale = to(scale)
        linear = torch.nn.Linear(codes.shape[1], codes.shape[0], bias=False, dtype=scale.dtype)
        if self.parts[name][0].startswith("W8A8"):
            reader = self.up.w8a8()
            reader.set_param(linear, is_dynamic=True, quant_weight=codes, weight_scale=scale)
            return reader.weight
        reader = self.up.weight_only()
        reader.set_param(linear, quant_weight=codes, weight_scale=scale, weight_offset=offset.to(scale.dtype))
        return reader.deq_weight

    def scales(self, name):
        return self.parameters(name)[0]

    def zeros(self, name):
        return self.parameters(name)[1].double() + (1 << (self.bits[name] - 1))

    def shape(self, name):
        return list(self.codes(name).shape)
