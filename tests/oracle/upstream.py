#!/usr/bin/env python3
"""Lets the real upstream code read what repaq wrote. Run by scripts/oracle, inside its virtual environment.

    upstream.py --repaq BINARY --fixtures DIR [--models DIR] --log FILE

For every msModelSlim, AWQ and GPTQ checkpoint, and some random ones, what repaq writes is judged by
    safetensors     its own reader opens each file and sees the same tensors as the index and as the plain reader
    AutoAWQ         awq.utils.packing_utils: unpack_awq + reverse_awq_order give the codes and zeros, dequantize_gemm the weights
    GPTQModel       TorchLinear.dequantize_weight after the loader's own v1 -> v2 conversion; model_dequant.convert_gptq_file
    GPTQModel.load and transformers' from_pretrained: no key missing or unexpected, every module holds the right values, and the
                    logits are those of a float model with the dequantized weights
Expected is (q - o) * s of the source, computed in float32 with the scales rounded to the target's dtype: equal bit for bit. Where a
kernel computes in F16: the same after that one rounding.
"""
import argparse
import functools
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

os.environ.update(CUDA_VISIBLE_DEVICES="", GPTQMODEL_CPU_WORKERS="2", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
                  TORCHDYNAMO_DISABLE="1", TORCH_COMPILE_DISABLE="1")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch
from safetensors import safe_open
from safetensors.torch import load_file

import expect
import generate
import gptq
import run
import st
from st import Refusal

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I32": torch.int32}
# Fixtures of AWQ's layouts besides GEMM: the loaders here do not read them.
OTHER_LAYOUTS = ("awq-gemv", "awq-llm-awq")
GENERATED = [
    "--seed 101 --group 32 --asym --packed --shards 3 --dead 0.1 --twins equal --norm-bias zero",
    "--seed 102 --group 32 --asym --zeros positive --bias --leave mlp.down_proj --float-dtype F16",
    "--seed 103 --group 64 --hidden 128 --bits 8 --scale-dtype BF16 --shards 2",
    "--seed 104 --group 0 --asym --packed --scale-dtype F16 --leave layers.1.mlp.up_proj",
    "--seed 105 --bits 8 --group 0 --scale-shape scalar --bias",
    "--seed 106 --group 32 --scale-shape flat --packed --dead 0.3 --tied",
    "--seed 107 --format gptq --group 32 --act-order --bias",
    "--seed 108 --format awq --group 32 --asym --leave self_attn.o_proj",
    "--seed 109 --format gptq_v2 --bits 8 --group 32 --asym --shards 2",
]


def awq_packing():
    """AutoAWQ's packing_utils.py as a single file: the package around it wants an older transformers."""
    path = os.path.join(os.path.dirname(os.path.dirname(torch.__file__)), "awq", "utils", "packing_utils.py")
    spec = importlib.util.spec_from_file_location("awq_packing_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Upstream:
    """The upstream modules; a missing one stops everything."""

    def __init__(self):
        self.awq = awq_packing()
        from gptqmodel import BACKEND, GPTQModel
        from gptqmodel.nn_modules.qlinear.torch import TorchLinear
        from gptqmodel.utils.model import convert_gptq_v1_to_v2_format_module
        from gptqmodel.utils.model_dequant import convert_gptq_file
        from transformers import AutoConfig, AutoModelForCausalLM, AwqConfig, GPTQConfig
        self.backend, self.gptqmodel, self.linear = BACKEND, GPTQModel, TorchLinear
        self.to_v2, self.convert_gptq_file = convert_gptq_v1_to_v2_format_module, convert_gptq_file
        self.config, self.model, self.awq_config, self.gptq_config = AutoConfig, AutoModelForCausalLM, AwqConfig, GPTQConfig


def codes_of(weight):
    return torch.frombuffer(bytearray(b"".join(weight.codes)), dtype=torch.uint8).reshape(weight.out, weight.in_).to(torch.int32)


def parameters_of(weight):
    """(zeros as int32, scales as float32, group of each column); the zero of a dead group is the middle."""
    scales = torch.tensor(weight.scales, dtype=torch.float32)
    zeros = torch.tensor(weight.zeros, dtype=torch.float32)
    zeros = torch.where((scales == 0) & ~((zeros >= 0) & (zeros <= 2 * weight.middle - 1)), torch.tensor(float(weight.middle)), zeros)
    of = weight.group_of or [k // (weight.in_ // weight.groups) for k in range(weight.in_)]
    return zeros, scales, torch.tensor(of)


@functools.lru_cache(maxsize=1000)
def expected(weight, kernel=torch.float32):
    """[out][in] values with the scales rounded to F16, computed as kernel does."""
    zeros, scales, of = parameters_of(weight)
    return (codes_of(weight) - zeros[:, of]).to(kernel) * scales.to(torch.float16).to(kernel)[:, of]


def tensor_of(stored):
    """A carried tensor of the plain reader as torch sees it."""
    if stored.dtype not in DTYPES:
        return None
    return torch.frombuffer(bytearray(stored.data), dtype=DTYPES[stored.dtype]).reshape(stored.shape)


def differ(found, wanted):
    """[] or one line that says how two tensors differ."""
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return ["%s %s, expected %s %s" % (found.dtype, list(found.shape), wanted.dtype, list(wanted.shape))]
    if torch.equal(found, wanted):
        return []
    furthest = float((found.float() - wanted.float()).abs().max())
    return ["%d of %d values differ, by up to %g" % (int((found != wanted).sum()), found.numel(), furthest)]


class Judge:
    def __init__(self, upstream, program, scratch, say):
        self.up, self.program, self.scratch, self.say = upstream, program, scratch, say
        self.count = 0

    def case(self, name, work):
        try:
            problems = work()
        except Exception as error:           # whatever upstream throws is its verdict
            traceback.print_exc()
            problems = ["%s: %s" % (type(error).__name__, str(error).strip().split("\n")[0])]
        self.say(name, problems)

    def source(self, name, directory, dialect, references):
        try:
            source = run.READERS[dialect](directory)
            expect.source(source)
        except Refusal:
            return
        expected.cache_clear()
        self.says = None
        self.references(name, source, references)
        for target in run.TARGETS:
            try:
                expect.conversion(source, target)
            except Refusal:
                continue
            self.count += 1
            written = os.path.join(self.scratch, "%d-%s" % (self.count, target))
            done = subprocess.run([self.program, "convert", directory, written, "--to", target], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if done.returncode != 0:
                self.say("%s -> %s" % (name, target), [done.stderr.decode(errors="replace")])
                continue
            self.target("%s -> %s" % (name, target), source, target, written)
            if dialect != "msmodelslim":
                self.case("%s -> %s: upstream reads the source as it reads the target" % (name, target),
                          lambda: self.both(source, directory, written))
            shutil.rmtree(written)

    def target(self, case, source, target, written):
        self.case(case + ": safetensors", lambda: self.container(written))
        tensors = self.load(written)
        if target == "awq":
            self.case(case + ": AutoAWQ unpacks the codes and zeros", lambda: self.awq_integers(source, tensors))
            self.case(case + ": AutoAWQ dequantizes, F32 and F16", lambda: self.awq_values(source, tensors))
        else:
            self.case(case + ": GPTQModel's kernel dequantizes, F32 and F16", lambda: self.gptq_values(source, tensors, written))
            if len({weight.bits for weight in source.weights.values()}) == 1:
                self.case(case + ": GPTQModel's model_dequant", lambda: self.gptq_files(source, written))
        self.models(case, source, target, written)

    def load(self, written):
        tensors = {}
        for file in sorted(os.listdir(written)):
            if file.endswith(".safetensors"):
                tensors.update(load_file(os.path.join(written, file)))
        return tensors

    def container(self, written):
        problems, where = [], {}
        for file in sorted(os.listdir(written)):
            if not file.endswith(".safetensors"):
                continue
            _, plain = st.read(os.path.join(written, file))
            with safe_open(os.path.join(written, file), framework="pt") as reader:
                if reader.metadata() != {"format": "pt"}:
                    problems.append("%s: metadata %r" % (file, reader.metadata()))
                for name in reader.keys():
                    where[name] = file
                    tensor = reader.get_tensor(name)
                    stored = tensor.contiguous().view(torch.uint8).numpy().tobytes()
                    if stored != plain[name].data or list(tensor.shape) != plain[name].shape:
                        problems.append("%s: %s is not what the plain reader sees" % (file, name))
        index = os.path.join(written, "model.safetensors.index.json")
        if os.path.exists(index) and json.load(open(index))["weight_map"] != where:
            problems.append("the index and the files disagree")
        return problems

    def awq_integers(self, source, tensors):
        problems = []
        for name, weight in source.weights.items():
            codes, zeros = self.up.awq.unpack_awq(tensors[name + ".qweight"], tensors[name + ".qzeros"], 4)
            codes, zeros = self.up.awq.reverse_awq_order(codes, zeros, 4)
            want_zeros = parameters_of(weight)[0].to(torch.int32)
            finer = zeros.shape[0] // want_zeros.shape[1]
            problems += [name + " codes: " + p for p in differ((codes & 15).to(torch.int32).t(), codes_of(weight))]
            problems += [name + " zeros: " + p for p in differ((zeros & 15).to(torch.int32).t(), want_zeros.repeat_interleave(finer, 1))]
        return problems

    def awq_weight(self, tensors, name, scales):
        size = tensors[name + ".qweight"].shape[0] // scales.shape[0]
        return self.up.awq.dequantize_gemm(tensors[name + ".qweight"], tensors[name + ".qzeros"], scales, 4, size).t()

    def awq_values(self, source, tensors):
        problems = []
        for name, weight in source.weights.items():
            scales = tensors[name + ".scales"]
            problems += [name + " F32: " + p for p in differ(self.awq_weight(tensors, name, scales.float()), expected(weight))]
            problems += [name + " F16: " + p for p in differ(self.awq_weight(tensors, name, scales), expected(weight, torch.float16))]
        return problems

    def gptq_weight(self, tensors, name, quantization, scales):
        mine = gptq.settings(quantization, name)
        linear = self.up.linear(bits=mine["bits"], group_size=mine["group_size"], sym=mine["sym"], desc_act=mine["desc_act"],
                                in_features=tensors[name + ".qweight"].shape[0] * 32 // mine["bits"],
                                out_features=tensors[name + ".qweight"].shape[1], bias=False, pack_dtype=torch.int32, register_buffers=True)
        linear.qweight, linear.qzeros = tensors[name + ".qweight"].clone(), tensors[name + ".qzeros"].clone()
        linear.g_idx, linear.scales = tensors[name + ".g_idx"], scales
        if quantization["checkpoint_format"] == "gptq":
            self.up.to_v2(linear, bits=mine["bits"], pack_dtype=torch.int32)
        linear.optimize = lambda *_, **__: None
        linear.post_init()
        return linear.dequantize_weight().t()

    def gptq_values(self, source, tensors, written):
        problems = []
        quantization = st.load_json(os.path.join(written, "config.json"))["quantization_config"]
        for name, weight in source.weights.items():
            scales = tensors[name + ".scales"]
            single = self.gptq_weight(tensors, name, quantization, scales.float())
            half = self.gptq_weight(tensors, name, quantization, scales)
            problems += [name + " F32: " + p for p in differ(single, expected(weight))]
            problems += [name + " F16: " + p for p in differ(half, expected(weight, torch.float16))]
        return problems

    def gptq_files(self, source, written):
        """model_dequant reads whole files; a module whose tensors are in one file is all that it can do, as repaq writes them."""
        quantization = st.load_json(os.path.join(written, "config.json"))["quantization_config"]
        dense, problems = {}, []
        for file in sorted(os.listdir(written)):
            if file.endswith(".safetensors"):
                dense.update(self.up.convert_gptq_file(os.path.join(written, file), torch.float32, quantization, "cpu"))
        for name, weight in source.weights.items():
            problems += [name + ": " + p for p in differ(dense[name + ".weight"], expected(weight))]
        wanted = {name + ".weight" for name in source.weights} | set(source.floats)
        return problems + ([] if set(dense) == wanted else ["tensors differ: %s" % sorted(set(dense) ^ wanted)[:4]])

    def models(self, case, source, target, written):
        """Whole models: GPTQModel and transformers build them from the directory alone."""
        quantization = source_config(written)
        sym = quantization.get("sym", True)
        uneven = target != "awq" and quantization.get("dynamic") and "modules_in_block_to_quantize" not in quantization and \
            set(quantization["dynamic"]) != {"-:^lm_head$"}
        if any(weight.out % 32 or weight.in_ % 32 for weight in source.weights.values()):
            return                                   # the kernels' own limit, of which repaq warns
        if target != "awq":
            if target == "gptq" and not sym:
                self.case(case + ": GPTQModel.load refuses asymmetric v1, as repaq warned", lambda: self.refused(written))
            else:
                self.case(case + ": GPTQModel.load", lambda: self.loaded(source, self.by_gptqmodel(written), target))
        if not uneven:                               # transformers does not know `dynamic`
            self.case(case + ": transformers", lambda: self.loaded(source, self.by_transformers(written, quantization), target))

    def refused(self, written):
        try:
            self.by_gptqmodel(written)
        except ValueError as error:
            return [] if "sym=False" in str(error) else [str(error)]
        return ["it was loaded: the warning can go"]

    def by_gptqmodel(self, written):
        return self.up.gptqmodel.load(written, backend=self.up.backend.GPTQ_TORCH, device="cpu", dtype=torch.float16).model

    def by_transformers(self, written, quantization):
        if quantization["quant_method"] == "awq":
            choice = self.up.awq_config(backend="torch_awq")
        else:
            choice = self.up.gptq_config(bits=quantization["bits"], backend="gptq_torch")
        model, report = self.up.model.from_pretrained(written, output_loading_info=True, dtype=torch.float16, quantization_config=choice)
        missing = set(report["missing_keys"]) - ({"lm_head.weight"} if model.config.tie_word_embeddings else set())
        if missing or report["unexpected_keys"] or report["mismatched_keys"]:
            raise ValueError("missing %s, unexpected %s" % (sorted(missing)[:3], sorted(report["unexpected_keys"])[:3]))
        return model

    def loaded(self, source, model, target):
        problems, modules = [], dict(model.named_modules())
        for name, weight in source.weights.items():
            module = modules[name]
            if not hasattr(module, "qweight"):
                problems.append(name + " was loaded as " + type(module).__name__)
            elif target == "awq":
                size = module.in_features // module.scales.shape[0]
                found = self.up.awq.dequantize_gemm(module.qweight, module.qzeros, module.scales.half(), 4, size).t()
                problems += [name + ": " + p for p in differ(found, expected(weight, torch.float16))]
            else:
                problems += [name + ": " + p for p in differ(module.dequantize_weight().t().half(), expected(weight, torch.float16))]
        state = model.state_dict()
        for name, stored in source.floats.items():
            if name not in state:
                problems.append(name + " was not loaded")
            else:
                problems += [name + ": " + p for p in differ(state[name].half(), tensor_of(stored).half())]
        return problems + self.logits(source, model)

    def float_logits(self, source, tokens):
        """What a float model with the same values says."""
        config = self.up.config.for_model(source.config["model_type"], **{
            key: value for key, value in source.config.items() if key not in ("quantization_config", "model_type")})
        twin = self.up.model.from_config(config, dtype=torch.float32)
        state = {name: tensor_of(stored).float() for name, stored in source.floats.items()}
        state.update({name + ".weight": expected(weight) for name, weight in source.weights.items()})
        report = twin.load_state_dict(state, strict=False)
        if report.unexpected_keys or set(report.missing_keys) - ({"lm_head.weight"} if config.tie_word_embeddings else set()):
            raise ValueError("the float twin lacks %s" % report.missing_keys)
        with torch.no_grad():
            return twin.eval()(tokens).logits

    def logits(self, source, model):
        """The same, but for the kernel's arithmetic in F16."""
        tokens = torch.arange(1, 33)[None] % source.config["vocab_size"]
        if self.says is None:
            self.says = self.float_logits(source, tokens)
        with torch.no_grad():
            found = model.eval()(tokens).logits.float()
        error = float((found - self.says).abs().max() / self.says.abs().max())
        return [] if error < 0.02 else ["logits differ by %g of the largest" % error]

    def both(self, source, directory, written):
        """Upstream's own readers on both sides: AutoAWQ on AWQ files, GPTQModel on GPTQ files."""
        problems, before, after = [], self.load(directory), self.load(written)
        for name in source.weights:
            pair = []
            for tensors, where in ((before, directory), (after, written)):
                scales = tensors[name + ".scales"].float()
                quantization = source_config(where)
                pair.append(self.awq_weight(tensors, name, scales) if quantization["quant_method"] == "awq"
                            else self.gptq_weight(tensors, name, quantization, scales))
            problems += [name + ": " + p for p in differ(pair[1], pair[0])]
        return problems

    def references(self, name, source, references):
        """(q - o) * s that the makers of the models computed with numpy, or with the tool's own code, against the plain reader."""
        for directory in references:
            for made in (".expected_dequant.safetensors", ".reference_dequant.safetensors"):
                path = os.path.join(directory, name + made)
                if os.path.exists(path):
                    self.case("%s: the plain reader against references/%s" % (name, os.path.basename(path)), lambda at=path: [
                        key + ": " + problem for key, wanted in load_file(at).items()
                        for problem in differ(dense_of(source.weights[key[:-7]]), wanted)])


def dense_of(weight):
    """(q - o) * s in float32 with the source's own scales, zeros as far out as they are; 0 where the scale is."""
    scales = torch.tensor(weight.scales, dtype=torch.float32)
    zeros = torch.tensor(weight.zeros, dtype=torch.float32)
    zeros = torch.where(scales == 0, torch.tensor(0.0), zeros)
    of = torch.tensor(weight.group_of or [k // (weight.in_ // weight.groups) for k in range(weight.in_)])
    return (codes_of(weight) - zeros[:, of]) * scales[:, of]


def source_config(directory):
    return st.load_json(os.path.join(directory, "config.json"))["quantization_config"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--repaq", required=True)
    p.add_argument("--fixtures", required=True)
    p.add_argument("--models")
    p.add_argument("--log", required=True, help="what the upstream packages print")
    p.add_argument("--only", default="")
    a = p.parse_args()
    out = os.fdopen(os.dup(1), "w")
    log = os.open(a.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    tally = {True: 0, False: 0}
    began = time.monotonic()

    def say(name, problems):
        tally[not problems] += 1
        details = "".join("\n     " + problem for problem in problems[:4])
        print("%s %s%s" % ("FAIL" if problems else "ok  ", name, details), file=out, flush=True)

    torch.set_num_threads(1)         # more only wait for each other on tensors this small
    scratch = tempfile.mkdtemp(prefix="repaq-upstream-")
    try:
        try:
            upstream = Upstream()
        except Exception as error:
            traceback.print_exc()
            print("FAIL upstream cannot be loaded: %s: %s (see %s)" % (type(error).__name__, error, a.log), file=out)
            print("0 passed, 1 failed", file=out, flush=True)
            return 1
        references = [directory for directory, _, _ in os.walk(a.models or os.devnull) if os.path.basename(directory) == "references"]
        judge = Judge(upstream, os.path.abspath(a.repaq), scratch, say)
        seen = set()
        for name, directory, dialect in run.folders(a.fixtures) + (run.folders(a.models) if a.models else []):
            if name not in seen and a.only in name and not name.startswith(OTHER_LAYOUTS):
                judge.source(name, directory, dialect, references)
            seen.add(name)
        for number, text in enumerate(GENERATED):
            if a.only in text:
                o = generate.options(os.path.join(scratch, "source-%d" % number), *shlex.split(text))
                generate.generate(o)
                judge.source(text, o.directory, o.format, [])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("%d passed, %d failed" % (tally[True], tally[False]), file=out, flush=True)
    print("%.0f s with torch %s" % (time.monotonic() - began, torch.__version__), flush=True)
    return 1 if tally[False] or not tally[True] else 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)      # upstream leaves threads behind that would abort a plain exit
