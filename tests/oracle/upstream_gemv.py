#!/usr/bin/env python3
"""Lets AutoAWQ's own packers of GEMV and GEMV_FAST write what repaq reads. Run by scripts/oracle, inside its virtual environment.

    upstream_gemv.py --repaq BINARY [--models DIR] --log FILE [--only TEXT]

WQLinear_GEMV.from_linear and WQLinear_GEMVFast.from_linear pack random codes, zeros and scales of one decoder layer, on the CPU. `repaq convert --to hf
--dtype f32` of that must be (code - zero) * scale, and `--to awq` what WQLinear_GEMM.from_linear makes of the same numbers, bit for bit. llm-awq's files
are GEMV_FAST's under another name of the zeros.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
sys.dont_write_bytecode = True
sys.path.pop(0)     # awq.py of this folder is not the package

import torch
from safetensors.torch import load_file, save_file

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "intermediate_size": 640, "num_hidden_layers": 1,
          "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 64, "torch_dtype": "float16", "tie_word_embeddings": False}
SHAPES = {"self_attn.q_proj": (256, 256), "self_attn.k_proj": (64, 256), "mlp.up_proj": (640, 256), "mlp.down_proj": (256, 640)}
VERSIONS = {"gemv": "gemv", "gemv_fast": "gemv_fast", "llm-awq": "gemv_fast"}


class Layer:
    """Codes, zeros and scales of a Linear, and the float weight that they stand for: exact in F32."""

    def __init__(self, seed, shape, group, bias):
        rng = torch.Generator().manual_seed(seed)
        out, columns = shape
        self.group, groups = group, columns // group
        self.codes = torch.randint(0, 16, shape, generator=rng)
        self.zeros = torch.randint(0, 16, (out, groups), generator=rng)
        scales = torch.rand((out, groups), generator=rng) * 0.1 + 1e-4
        scales[0, 0], scales[-1, -1] = 6e-8, 1000.0                         # the least F16, and a large one
        self.scales = scales.half().float()
        self.zeros[0], self.zeros[1] = 0, 15
        of = torch.arange(columns) // group
        self.weight = (self.codes - self.zeros[:, of]) * self.scales[:, of]
        self.linear = torch.nn.Linear(columns, out, bias=bias)
        self.linear.weight.data = self.weight
        if bias:
            self.linear.bias.data = torch.randn(out, generator=rng).half().float()

    def packed(self, kind, turned=False):
        scales, zeros = (self.scales.t(), self.zeros.t()) if turned else (self.scales, self.zeros)
        return dict(kind.from_linear(self.linear, 4, self.group, scales=scales.contiguous(), zeros=zeros.contiguous()).state_dict())


def write(folder, version, group, layers, kind):
    tensors = {"model.embed_tokens.weight": torch.randn(64, 256).half(), "lm_head.weight": torch.randn(64, 256).half(), "model.norm.weight": torch.ones(256).half()}
    for name, layer in layers.items():
        for role, tensor in layer.packed(kind).items():
            role = "scaled_zeros" if version == "llm-awq" and role == "qzeros" else role
            tensors["model.layers.0.%s.%s" % (name, role)] = tensor.contiguous()
    how = {"backend": "llm-awq"} if version == "llm-awq" else {"version": VERSIONS[version]}
    config = dict(CONFIG, quantization_config=dict(quant_method="awq", bits=4, group_size=group, zero_point=True, **how))
    os.makedirs(folder)
    save_file(tensors, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)


def differ(name, found, wanted):
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return ["%s: %s %s, expected %s %s" % (name, found.dtype, list(found.shape), wanted.dtype, list(wanted.shape))]
    return [] if torch.equal(found, wanted) else ["%s: %d of %d values differ" % (name, int((found != wanted).sum()), found.numel())]


def convert(repaq, source, out, *options):
    done = subprocess.run([repaq, "convert", source, out, "--verify", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return load_file(os.path.join(out, "model.safetensors")) if done.returncode == 0 else done.stderr.strip()


def judge(repaq, scratch, version, group, seed):
    from awq.modules.linear.gemm import WQLinear_GEMM
    from awq.modules.linear.gemv import WQLinear_GEMV
    from awq.modules.linear.gemv_fast import WQLinear_GEMVFast
    rng = random.Random(seed)
    layers = {name: Layer(rng.randrange(1 << 30), shape, group, number % 2 == 1) for number, (name, shape) in enumerate(SHAPES.items()) if shape[1] % group == 0}
    source = os.path.join(scratch, "%s-%d" % (version, group))
    write(source, version, group, layers, WQLinear_GEMV if version == "gemv" else WQLinear_GEMVFast)
    problems = []
    floats = convert(repaq, source, source + ".hf", "--to", "hf", "--dtype", "f32", "--exact")
    moved = convert(repaq, source, source + ".awq", "--to", "awq", "--exact")
    for found in (floats, moved):
        if isinstance(found, str):
            return ["repaq: " + found]
    for name, layer in layers.items():
        module = "model.layers.0." + name
        problems += differ(module + ".weight", floats.get(module + ".weight", torch.empty(0)), layer.weight)
        for role, tensor in layer.packed(WQLinear_GEMM, turned=True).items():
            problems += differ("%s.%s" % (module, role), moved.get("%s.%s" % (module, role), torch.empty(0)), tensor)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repaq", required=True, type=os.path.abspath)
    parser.add_argument("--models", help="not used: all is made here")
    parser.add_argument("--log", required=True, help="what the upstream package prints")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    out = os.fdopen(os.dup(1), "w")
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    torch.set_num_threads(1)
    passed = failed = 0
    scratch = tempfile.mkdtemp(prefix="repaq-gemv-")
    try:
        for seed, (version, group) in enumerate((version, group) for version in VERSIONS for group in (32, 64, 128, 256)):
            name = "AutoAWQ's %s, groups of %d" % (version, group)
            if options.only not in name:
                continue
            try:
                problems = judge(options.repaq, scratch, version, group, seed)
            except Exception as error:
                traceback.print_exc()
                problems = ["%s: %s (see %s)" % (type(error).__name__, error, options.log)]
            passed += not problems
            failed += bool(problems)
            print("%s %s%s" % ("FAIL" if problems else "ok  ", name, "".join("\n     " + problem for problem in problems[:4])), file=out, flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("%d passed, %d failed" % (passed, failed), file=out, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
