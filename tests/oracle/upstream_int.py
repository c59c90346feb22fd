"""GPTQModel's TorchLinear and AutoAWQ's packing_utils as readers: 2, 3, 4 and 8 bits, v1 and v2, act-order; AWQ GEMM."""
import importlib.util
import os

import torch

import gptq
from upstream_base import Reading


def awq_packing():
    """AutoAWQ's packing_utils.py as a single file: the package around it wants an older transformers."""
    path = os.path.join(os.path.dirname(os.path.dirname(torch.__file__)), "awq", "utils", "packing_utils.py")
    spec = importlib.util.spec_from_file_location("awq_packing_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Gptq(Reading):
    format = "gptq"

    def find(self):
        from gptqmodel.nn_modules.qlinear.torch import TorchLinear
        from gptqmodel.utils.model import convert_gptq_v1_to_v2_format_module
        self.linear, self.to_v2 = TorchLinear, convert_gptq_v1_to_v2_format_module
        self.quantization = self.config["quantization_config"]
        if self.quantization.get("checkpoint_format") == "gptq_v2":
            self.format = "gptq_v2"
        self.weights = [name[:-len(".qweight")] for name in self.tensors if name.endswith(".qweight")]
        self.parts = {}
        for name in self.weights:
            self.bits[name] = gptq.settings(self.quantization, name)["bits"]
            self.parts[name] = self.take(name, "qweight", "qzeros", "scales", "g_idx")

    def module(self, name, scales):
        mine = gptq.settings(self.quantization, name)
        qweight, qzeros, _, g_idx = self.parts[name]
        columns = qweight.shape[0] * 32 // mine["bits"]
        linear = self.linear(bits=mine["bits"], group_size=mine["group_size"], sym=mine.get("sym", True), desc_act=mine.get("desc_act", False),
                             in_features=columns, out_features=qweight.shape[1], bias=False, pack_dtype=torch.int32, register_buffers=True)
        size = mine["group_size"] if mine["group_size"] > 0 else columns
        linear.qweight, linear.qzeros, linear.scales = qweight.clone(), qzeros.clone(), scales
        linear.g_idx = g_idx if g_idx is not None else torch.arange(columns, dtype=torch.int32) // size
        if self.format == "gptq":
            self.to_v2(linear, bits=mine["bits"], pack_dtype=torch.int32)
        linear.optimize = lambda *_, **__: None
        linear.post_init()
        return linear.eval()

    def values(self, name, to):
        return self.module(name, to(self.parts[name][2])).dequantize_weight().t()

    def scales(self, name):
        return self.parts[name][2].t()

    def zeros(self, name):
        """By the same kernel: with codes 0, scales 1 and one column of each group it returns -z."""
        scales, bits = self.parts[name][2], self.bits[name]
        linear = self.module(name, torch.ones_like(scales, dtype=torch.float64))
        linear.qweight = torch.zeros(max(scales.shape[0], 32) * bits // 32 * 1 or bits, scales.shape[1], dtype=torch.int32)
        columns = linear.qweight.shape[0] * 32 // bits
        linear.g_idx = (torch.arange(columns) % scales.shape[0]).to(torch.int32)
        linear.in_features = columns
        linear = self.fresh(linear)
        return -linear.dequantize_weight().t()[:, :scales.shape[0]]

    def fresh(self, linear):
        for name in list(vars(linear)):
            if "cache" in name and not callable(getattr(linear, name)):
                setattr(linear, name, {} if isinstance(getattr(linear, name), dict) else None)
        return linear

    def act_order(self, name):
        qweight, _, scales, g_idx = self.parts[name]
        if g_idx is None:
            return False
        size = len(g_idx) // scales.shape[0]
        return not torch.equal(g_idx.long(), torch.arange(len(g_idx)) // size)


class Awq(Reading):
    format = "awq"

    def find(self):
        self.awq = awq_packing()
        self.weights = [name[:-len(".qweight")] for name in self.tensors if name.endswith(".qweight")]
        self.parts = {name: self.take(name, "qweight", "qzeros", "scales") for name in self.weights}
        self.bits = dict.fromkeys(self.weights, 4)

    def values(self, name, to):
        qweight, qzeros, scales = self.parts[name]
        return self.awq.dequantize_gemm(qweight, qzeros, to(scales), 4, qweight.shape[0] // scales.shape[0]).t()

    def scales(self, name):
        return self.parts[name][2].t()

    def zeros(self, name):
        qweight, qzeros, _ = self.parts[name]
        codes, zeros = self.awq.unpack_awq(qweight, qzeros, 4)
        return (self.awq.reverse_awq_order(codes, zeros, 4)[1] & 15).t().double()
