"""Code books and minifloats, of which only floats can be made: bitsandbytes, FP8 and MXFP4, by their own reference dequantizers."""
import torch

from upstream_base import Reading

STATES = ("absmax", "quant_map", "nested_absmax", "nested_quant_map", "quant_state.bitsandbytes__nf4", "quant_state.bitsandbytes__fp4")


class Codebook(Reading):
    exact = False

    def values(self, name, to):
        return self.float(name, torch.float32)

    def zeros(self, name):
        return None


class BitsAndBytes(Codebook):
    format = "bitsandbytes"

    def find(self):
        import bitsandbytes.functional
        from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
        self.bnb, self.compute = bitsandbytes.functional, _dequantize_4bit_compute
        self.parts = {}
        for name in sorted(self.tensors):
            if name.endswith(".weight.absmax"):
                self.add(name[:-len(".weight.absmax")], 4)
            elif name.endswith(".SCB"):
                self.add(name[:-len(".SCB")], 8)
                self.carried.pop(name[:-len(".SCB")] + ".weight_format", None)

    def add(self, module, bits):
        self.weights.append(module)
        self.bits[module] = bits
        roles = ["weight"] + (["weight." + state for state in STATES] if bits == 4 else ["SCB"])
        self.parts[module] = {role: tensor for role, tensor in zip(roles, self.take(module, *roles)) if tensor is not None}

    def state(self, name):
        parts = {role: tensor for role, tensor in self.parts[name].items() if role != "weight"}
        return self.bnb.QuantState.from_dict(parts, device=torch.device("cpu"))

    def float(self, name, dtype):
        weight = self.parts[name]["weight"]
        if self.bits[name] == 8:
            return self.bnb.int8_vectorwise_dequant(weight, self.parts[name]["SCB"]).to(dtype)
        state = self.state(name)
        absmax = state.absmax
        if state.nested:                         # as functional.dequantize_4bit does
            absmax = self.bnb.dequantize_blockwise(state.absmax, state.state2)
            absmax += state.offset
        code = self.bnb.get_4bit_type(state.quant_type, device="cpu")
        found = self.compute(weight.reshape(-1).view(torch.uint8), absmax, code, state.blocksize, state.shape, dtype)
        if state.shape[-1] % state.blocksize == 0 and dtype == state.dtype:
            native = self.bnb.dequantize_4bit(weight, state)   # the CPU kernel is wrong where blocks cross rows (REFERENCE.md)
            if not torch.equal(native, found):
                raise ValueError(name + ": bitsandbytes' kernel and its default implementation differ")
        return found

    def shape(self, name):
        return list(self.parts[name]["weight"].shape) if self.bits[name] == 8 else list(self.state(name).shape)

    def is_integer(self, name):
        return self.bits[name] == 8

    def scales(self, name):
        """1/127 of SCB, as the constant of int8_vectorwise_dequant: an F32 product."""
        return self.parts[name]["SCB"][:, None] * torch.tensor(7.874015718698502e-3, dtype=torch.float32)

    def zeros(self, name):
        return torch.full((len(self.parts[name]["weight"]), 1), 128.0, dtype=torch.float64) if self.bits[name] == 8 else None

    def values(self, name, to):
        """Of int8 rows: the code times the one scale that another format keeps; bitsandbytes' own two products differ by a rounding."""
        if self.bits[name] == 4:
            return super().values(name, to)
        return self.parts[name]["weight"].double() * to(self.scales(name)).double()


class Fp8(Codebook):
    """`weight` F8_E4M3 with `weight_scale_inv` (blocks) or `weight_scale` (a number, [N] or [N, 1])."""
    format = "fp8"

    def find(self):
        from compressed_tensors.compressors.naive_quantized.base import FloatQuantizationCompressor
        from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
        from transformers.integrations.finegrained_fp8 import Fp8Dequantize
        self.transformers, self.ct = Fp8Dequantize(None), FloatQuantizationCompressor
        self.args, self.scheme_type = QuantizationArgs, QuantizationScheme
        self.block = self.config.get("quantization_config", {}).get("weight_block_size") or [128, 128]
        self.parts = {}
        for name in sorted(self.tensors):
            if self.tensors[name].dtype == torch.float8_e4m3fn and name.endswith(".weight"):
                module = name[:-len(".weight")]
                weight, one, blocks = self.take(module, "weight", "weight_scale", "weight_scale_inv")
                self.parts[module] = (weight, one if blocks is None else blocks, blocks is not None)
                self.weights.append(module)
                self.bits[module] = 8
                self.activation = self.activation or tuple(filter(None, [module if self.take(module, "input_scale")[0] is not None else None]))

    def float(self, name, dtype):
        weight, scale, blocks = self.parts[name]
        rows, columns = weight.shape
        if not blocks:
            return self.transformers._dequantize_one(weight, scale[:, None] if scale.ndim == 1 and scale.numel() > 1 else scale, dtype)
        if rows % self.block[0] == 0 and columns % self.block[1] == 0:
            return self.transformers._dequantize_one(weight, scale, dtype)
        args = self.args(num_bits=8, type="float", strategy="block", block_structure=self.block)      # transformers misreads ragged blocks
        state = {"weight": weight, "weight_scale": scale.float()}
        return self.ct.decompress(state, self.scheme_type(targets=["Linear"], weights=args))["weight"].to(dtype)

    def shape(self, name):
        return list(self.parts[name][0].shape)


class Mxfp4(Codebook):
    """gpt-oss: NAME_blocks and NAME_scales. transformers' result is transposed, [E][in][out], as the float model has it."""
    format = "mxfp4"

    def find(self):
        from transformers.integrations.mxfp4 import convert_moe_packed_tensors
        self.convert = convert_moe_packed_tensors
        for name in sorted(self.tensors):
            if name.endswith("_blocks"):
                self.weights.append(name[:-len("_blocks")])
                self.bits[self.weights[-1]] = 4
                self.carried.pop(name), self.carried.pop(name[:-len("_blocks")] + "_scales")

    def float(self, name, dtype):
        return self.convert(self.tensors[name + "_blocks"], self.tensors[name + "_scales"], dtype=dtype)

    def key(self, name):
        return name
