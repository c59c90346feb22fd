"""compressed-tensors' own compressors as readers: pack-quantized, int-quantized, float-quantized, mxfp4. Act-order (`weight_g_idx`) is
read by version 0.18.0, in a process of its own (upstream_gidx.py): later versions refuse `actorder: group` and ignore the tensor."""
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

from upstream_base import Reading

ROLES = ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx", "weight_global_scale")
ACTIVATION = ("input_scale", "input_zero_point", "input_global_scale", "output_scale")


class CompressedTensors(Reading):
    format = "compressed-tensors"
    overlay = os.environ.get("REPAQ_CT_GIDX", "")            # where 0.18.0 is unpacked

    def find(self):
        from compressed_tensors.compressors.base import BaseCompressor
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
        from compressed_tensors.quantization import QuantizationConfig
        from compressed_tensors.utils.match import is_match, match_targets
        self.registry, self.unpack, self.is_match, self.match_targets = BaseCompressor, unpack_from_int32, is_match, match_targets
        text = json.dumps({key: value for key, value in self.config["quantization_config"].items()
                           if key not in ("sparsity_config", "transform_config")})
        text = text.replace('"actorder": "group"', '"actorder": null')       # 0.18.0 judges it (with_order): 0.19 took it out
        self.quantization = QuantizationConfig.model_validate(json.loads(text))
        self.parts, self.schemes, self.sorted = {}, {}, {}
        for name in sorted(self.tensors):
            if not name.endswith(".weight_scale"):
                continue
            module = name[:-len(".weight_scale")]
            self.weights.append(module)
            self.schemes[module] = self.scheme(module)
            self.bits[module] = self.schemes[module].weights.num_bits
            state = dict(zip(ROLES, self.take(module, *ROLES)))
            if module + ".weight" in self.carried:
                state["weight"] = self.carried.pop(module + ".weight")
            self.parts[module] = {role: tensor for role, tensor in state.items() if tensor is not None}
        self.activation = [name for name in self.tensors if name.rpartition(".")[2] in ACTIVATION]
        for name in self.activation:
            self.carried.pop(name, None)
        if not self.activation:                  # dynamic ones have no tensors
            self.activation = [name for name, scheme in self.schemes.items() if scheme.input_activations is not None]
        self.exact = all(scheme.weights.type == "int" for scheme in self.schemes.values())

    def scheme(self, module):
        """As the loader does (quantization/lifecycle/apply.py): the group of the first target that matches, unless the module is ignored."""
        linear = torch.nn.Linear(1, 1)
        if self.is_match(module, linear, self.quantization.ignore or []):
            raise ValueError(module + " is quantized, and `ignore` names it")
        owner = {target: scheme for scheme in self.quantization.config_groups.values() for target in scheme.targets}
        found = self.match_targets(module, linear, owner)
        if not found:
            raise ValueError(module + " is matched by no group")
        return owner[found[0]]

    def unmatched(self, linears):
        """Linear modules of the model that are float here, and that the config says are quantized."""
        linear = torch.nn.Linear(1, 1)
        return [name for name in linears if name not in self.parts and not self.is_match(name, linear, self.quantization.ignore or []) and
                any(self.is_match(name, linear, scheme.targets) for scheme in self.quantization.config_groups.values())]

    def values(self, name, to):
        state, scheme = dict(self.parts[name]), self.schemes[name]
        if "weight_g_idx" in state and -1 not in state["weight_g_idx"]:
            return self.with_order(to)[name]
        if state["weight_scale"].dtype != torch.uint8:
            state["weight_scale"] = to(state["weight_scale"])
        kind = scheme.format or self.quantization.format
        return self.registry.get_value_from_registry(kind).decompress(state, scheme)["weight"]

    def with_order(self, to):
        """Every weight with a group map, in one run of version 0.18.0."""
        if to in self.sorted:
            return self.sorted[to]
        job, groups = {}, {}
        for name, state in self.parts.items():
            if "weight_g_idx" in state:
                job.update({name + "|" + role: (to(tensor) if role == "weight_scale" else tensor).contiguous() for role, tensor in state.items()})
                (groups[name],) = [group for group, scheme in self.quantization.config_groups.items() if scheme is self.schemes[name]]
        with tempfile.TemporaryDirectory(prefix="repaq-gidx-") as scratch:
            save_file(job, os.path.join(scratch, "job.safetensors"))
            with open(os.path.join(scratch, "config.json"), "w", encoding="utf-8") as file:
                json.dump({"config": self.config["quantization_config"], "groups": groups}, file)
            here = os.path.dirname(os.path.abspath(__file__))
            subprocess.run([sys.executable, os.path.join(here, "upstream_gidx.py"), self.overlay, scratch], check=True)
            self.sorted[to] = load_file(os.path.join(scratch, "values.safetensors"))
        return self.sorted[to]

    def scales(self, name):
        return self.parts[name]["weight_scale"]

    def zeros(self, name):
        state, bits = self.parts[name], self.bits[name]
        scale, middle = state["weight_scale"], 1 << (bits - 1)
        stored = state.get("weight_zero_point")
        if stored is None:
            return torch.full(scale.shape, float(middle), dtype=torch.float64)
        if stored.dtype == torch.int32:
            stored = self.unpack(stored, bits, torch.Size([scale.shape[0], scale.shape[-1]]), packed_dim=0)
        return stored.double() + middle

    def act_order(self, name):
        g_idx = self.parts[name].get("weight_g_idx")
        if g_idx is None or -1 in g_idx:
            return False
        size = len(g_idx) // self.parts[name]["weight_scale"].shape[1]
        return not torch.equal(g_idx.long(), torch.arange(len(g_idx)) // size)

    def shape(self, name):
        state = self.parts[name]
        if "weight_shape" in state:
            return state["weight_shape"].tolist()
        return list(state["weight"].shape) if "weight" in state else [state["weight_packed"].shape[0], 2 * state["weight_packed"].shape[1]]
