#!/usr/bin/env python3
"""llama.cpp's own programs on GGUF files: they load what repaq wrote, and quantize as it does. Run by scripts/oracle, inside its virtual environment.

    upstream_llama.py --repaq BINARY --models DIR --golden DIR --programs DIR --smollm FILE --log FILE [--only TEXT] [--all]
    REPAQ_LLAMA_CPP, REPAQ_MSMODELSLIM, REPAQ_CT_GIDX as for the other judges

Float files: llama-perplexity gives for the file of the shared models, of their PyTorch and Meta forms, in every type, the number that it gives for the file of
llama.cpp's converter, to the last digit. Quantized ones (`--type auto`): llama-quantize makes F32 of repaq's blocks; every tensor must equal the file that
llama.cpp's converter makes of the weights as the tool of the source's format reads them, scales rounded to F16. The perplexity of that file is equal to the last
digit, and that of repaq's within 0.5 %, as llama.cpp rounds activations where it multiplies blocks. Where the inputs of down moved, sums have another order, and
their last digits may differ. upstream_tokens.py, upstream_quantize.py and upstream_experts.py have the rest.
Without --all the texts are shorter, and of what concerns quantizing a part is run.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false", NO_COLOR="1")
sys.dont_write_bytecode = True
sys.path[:0] = [os.environ["REPAQ_LLAMA_CPP"], os.path.join(os.environ["REPAQ_LLAMA_CPP"], "gguf-py")]

import gguf
import numpy as np
import torch
from conversion import ModelBase, get_model_class
from safetensors.torch import save_file

import gguf_order
import upstream_experts
import upstream_kinds
import upstream_quantize
import upstream_tokens

MODELS = ("llama-tiny", "qwen2-tiny")
TYPES = {"F32": gguf.LlamaFileType.ALL_F32, "F16": gguf.LlamaFileType.MOSTLY_F16, "BF16": gguf.LlamaFileType.MOSTLY_BF16,
         "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
OTHER_FORMS = {"llama-tiny": ("llama-tiny-bin-sharded", "llama-tiny-meta-single", "llama-tiny-meta-mp2"), "qwen2-tiny": ("qwen2-tiny-sharded",)}
WEIGHTS_ONLY = ("ms-llama-w8a8-static-safe", "ms-qwen2-v1-w8a8-dynamic-mixedfloat")
ORDERED = ("ct-qwen2-w4a16-gptq-g128-sym-actgroup-gidx", "gptq-qwen2-4bit-g128-sym-descact")       # whose input is the hidden state
MOVED = ("gptq-qwen2-4bit-g128-sym", "gptqv2-qwen2-4bit-g64-asym")                                  # made so in down alone


class Judge(upstream_quantize.Programs):
    def __init__(self, options, scratch, say):
        super().__init__(options, scratch, say)
        self.models, self.golden, self.known, self.chunks = options.models, options.golden, {}, 100 if options.all else 16

    def perplexity(self, path):
        """As llama-perplexity prints it; at its end it sometimes loses what it printed last, more often on a busy machine."""
        words = ["-m", path, "-f", os.path.join(self.models, "heldout.txt"), "-c", "128", "--chunks", str(self.chunks), "-t", "1"]
        for _ in range(20):
            done = self.program("llama-perplexity", words, self.scratch)
            found = re.search(r"\[%d\]([0-9.]+)," % self.chunks, done.stdout)
            if found and done.returncode == 0:
                return found.group(1)
        raise RuntimeError("llama-perplexity of %s: exit %d, %s" % (os.path.basename(path), done.returncode, done.stderr.strip()[-300:]))

    def reference(self, folder, kind, name):
        """The file of llama.cpp's converter, and its perplexity."""
        if name not in self.known:
            out = os.path.join(self.scratch, name + ".reference.gguf")
            convert_upstream(folder, out, TYPES[kind], self.golden)
            self.known[name] = (out, self.perplexity(out))
        return self.known[name]

    def convert(self, folder, kind, *options):
        out = os.path.join(self.scratch, "ours.gguf")
        done = subprocess.run([self.repaq, "convert", folder, out, "--to", "gguf", "--type", kind, "--force", "--json", *options],
                              capture_output=True, text=True, check=False)
        return out, (json.loads(done.stdout) if done.returncode == 0 else None), done

    def floats(self, model):
        for kind in TYPES:
            for form in (model, *OTHER_FORMS[model]):
                name = "llama.cpp loads %s of %s" % (kind, form)
                if not self.wanted(name):
                    continue
                _, wanted = self.reference(os.path.join(self.models, model), kind, model + "-" + kind)
                out, report, done = self.convert(os.path.join(self.models, form), kind)
                found = self.perplexity(out) if report else None
                self.say(name, [done.stderr.strip()] if report is None else [] if found == wanted else ["perplexity %s, expected %s" % (found, wanted)])

    def embedding(self, name):
        case = "llama.cpp reads the codes of " + name
        if not self.wanted(case):
            return
        folder = os.path.join(self.models, name)
        out, report, done = self.convert(folder, "auto", "--verify", *(["--weights-only"] if name in WEIGHTS_ONLY else []))
        if name in ORDERED:
            self.say(case, [] if done.returncode == 6 and "R-ACTORDER" in done.stderr else ["exit %d: %s" % (done.returncode, done.stderr.strip())])
            return
        if report is None:
            self.say(case, [done.stderr.strip()])
            return
        plain = os.path.join(self.scratch, "ours-f32.gguf")
        done = self.program("llama-quantize", ["--allow-requantize", out, plain, "F32", "2"], self.scratch)
        if done.returncode != 0:
            self.say(case, ["llama-quantize: " + done.stderr.strip()[-300:]])
            return
        floats = os.path.join(self.scratch, "floats")
        problems = write_floats(folder, floats, report["classes"]["rounded"] > 0)
        wanted, expected = self.reference(floats, "F32", name)
        problems += differences(plain, wanted)
        found, blocks = self.perplexity(plain), self.perplexity(out)
        if found != expected:
            problems.append("perplexity of the values %s, expected %s" % (found, expected))
        if abs(float(blocks) - float(expected)) > 0.005 * float(expected):
            problems.append("perplexity of the blocks %s, expected about %s" % (blocks, expected))
        self.say(case, problems)
        os.remove(wanted)


    def moved(self, name):
        """Inputs of down by group: the tensors are the reference's with rows and columns moved, and the model says the same but for the order of its sums."""
        case = "llama.cpp runs %s with the inputs of down in the order of their groups" % name
        if not self.wanted(case):
            return
        folder = gguf_order.lay(os.path.join(self.models, name), os.path.join(self.scratch, "ordered"), gguf_order.down_maps)
        out, report, done = self.convert(folder, "auto", "--verify")
        plain, floats = os.path.join(self.scratch, "ours-f32.gguf"), os.path.join(self.scratch, "floats")
        if report is None:
            self.say(case, [done.stderr.strip()])
            return
        done = self.program("llama-quantize", ["--allow-requantize", out, plain, "F32", "2"], self.scratch)
        if done.returncode != 0:
            self.say(case, ["llama-quantize: " + done.stderr.strip()[-300:]])
            return
        problems = write_floats(folder, floats, report["classes"]["rounded"] > 0, True)
        wanted, expected = self.reference(floats, "F32", name + "-moved")
        problems += differences(plain, wanted, [np.array(gguf_order.order_of(folder, layer)) for layer in range(gguf_order.LAYERS)])
        found, blocks = self.perplexity(plain), self.perplexity(out)
        for what, number, slack in (("values", found, 1e-5), ("blocks", blocks, 0.005)):
            if abs(float(number) - float(expected)) > slack * float(expected):
                problems.append("perplexity of the %s %s, expected about %s" % (what, number, expected))
        self.say("%s: %s, %s in its own order" % (case, found, expected), problems)
        os.remove(wanted)


def convert_upstream(folder, out, kind, golden):
    """llama.cpp's converter; the vocabulary is that of its golden file, as qwen2-tiny's hash is not in its list."""
    name = ModelBase.load_hparams(Path(folder), False)["architectures"][0]
    known = gguf.GGUFReader(os.path.join(golden, "gguf", ("llama-tiny" if name == "LlamaForCausalLM" else "qwen2-tiny") + "-f16.gguf"))

    def set_vocab(self):
        for field in known.fields.values():
            if field.name.startswith("tokenizer."):
                self.gguf_writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)

    kept = get_model_class(name)
    model = type("Given" + kept.__name__, (kept,), {"model_arch": kept.model_arch, "set_vocab": set_vocab})
    with torch.inference_mode(), open(os.devnull, "w", encoding="utf-8") as null, contextlib.redirect_stderr(null):
        model(Path(folder), kind, Path(out)).write()


def values_of(reading, name, spread=False):
    """(F32 [out][in], do the scales change): codes less whole zeros, times scales in F16, one product each; where zeros are not whole, or groups are spread, what
    the tool computes."""
    values, scales, zeros = reading.values(name, torch.Tensor.double), reading.scales(name).double(), reading.zeros(name)
    half = scales.to(torch.float16).double()
    changed = not torch.equal(half, scales)
    if spread or zeros is None or not torch.equal(zeros.double(), zeros.double().round()):
        return values.float(), changed
    wide, narrow = (part.reshape(values.shape[0], -1).repeat_interleave(values.numel() // part.numel(), dim=1) for part in (scales, half))
    whole = torch.where(wide == 0, torch.zeros_like(values), values / wide).round()
    return (whole * narrow).float(), changed


def write_floats(folder, out, rounded, spread=False):
    """A float checkpoint of what upstream reads, for llama.cpp's converter. Returns what is wrong with the class that repaq reported."""
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    reading, changed = upstream_kinds.read(folder), False
    tensors = dict(reading.carried)
    for name in reading.weights:
        tensors[reading.key(name)], moved = values_of(reading, name, spread)
        changed |= moved
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, os.path.join(out, "model.safetensors"))
    for name in os.listdir(folder):
        if name.startswith(("tokenizer", "special_tokens", "vocab", "merges", "added_tokens", "generation", "chat_template")):
            shutil.copy(os.path.join(folder, name), out)
    config = {key: value for key, value in reading.config.items() if key not in ("quantization", "quantization_config", "quantize")}
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    return [] if changed == rounded else ["scales %s, and the class rounded was%s reported" % ("change" if changed else "stay", "" if rounded else " not")]


def moved_data(tensor, orders):
    """Rows of gate and up, and columns of down, in the order that their layer has."""
    parts = tensor.name.split(".")
    if not orders or parts[0] != "blk" or parts[2] not in ("ffn_gate", "ffn_up", "ffn_down"):
        return tensor.data
    return tensor.data[:, orders[int(parts[1])]] if parts[2] == "ffn_down" else tensor.data[orders[int(parts[1])]]


def differences(found, wanted, orders=()):
    """Tensors by name: types, shapes and values, of which 0 and -0 are one. `orders`: of the inputs of down in each layer that was found, where they moved."""
    mine, theirs = ({tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors} for path in (found, wanted))
    problems = ["%s is missing" % name for name in theirs.keys() - mine.keys()] + ["%s is too many" % name for name in mine.keys() - theirs.keys()]
    for name in sorted(mine.keys() & theirs.keys()):
        one, other = mine[name], theirs[name]
        if one.tensor_type != other.tensor_type or list(one.shape) != list(other.shape):
            problems.append("%s: %s %s, expected %s %s" % (name, one.tensor_type, list(one.shape), other.tensor_type, list(other.shape)))
        elif not np.array_equal(one.data, moved_data(other, orders)):
            problems.append("%s: %d of %d values differ" % (name, np.count_nonzero(one.data != moved_data(other, orders)), one.data.size))
    return problems


def quantized(models):
    """Checkpoints of integers that have a config of a model: the edge cases have none, bitsandbytes has a codebook."""
    return [name for name in sorted(os.listdir(models)) if name.partition("-")[0] in ("awq", "gptq", "gptqv2", "ct", "mlx", "ms")]


def judge(options, scratch, say):
    run = Judge(options, scratch, say)
    cases = [("floats", lambda model=model: run.floats(model)) for model in MODELS]
    cases += [(name, lambda name=name: run.embedding(name)) for name in quantized(options.models)]
    cases += [(name, lambda name=name: run.moved(name)) for name in MOVED]
    cases += upstream_tokens.cases(run, options) + upstream_quantize.cases(run, options) + upstream_experts.cases(run, options)
    for name, work in cases:
        try:
            work()
        except Exception:
            say(name, traceback.format_exc().strip().split("\n")[-3:])


def inner(folder, name):
    """The folder that holds `name`: the archives have one of their own inside."""
    return next((path for path in (folder, os.path.join(folder, os.path.basename(folder))) if os.path.exists(os.path.join(path, name))), folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repaq", required=True, type=os.path.abspath)
    parser.add_argument("--models", required=True)
    parser.add_argument("--golden", required=True)
    parser.add_argument("--programs", required=True, type=os.path.abspath)
    parser.add_argument("--smollm", required=True, type=os.path.abspath)
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    options.models, options.golden = inner(os.path.abspath(options.models), MODELS[0]), inner(os.path.abspath(options.golden), "gguf")
    counts = {"passed": 0, "failed": 0}
    with open(options.log, "w", encoding="utf-8") as log, tempfile.TemporaryDirectory(prefix="repaq-llama-") as scratch:
        os.dup2(log.fileno(), 2)

        def say(name, problems):
            counts["failed" if problems else "passed"] += 1
            print("%s %s" % ("FAIL" if problems else "ok  ", name), file=log, flush=True)
            if problems:
                print("FAIL %s\n     %s" % (name, "\n     ".join(problems[:8])), flush=True)

        judge(options, scratch, say)
    print("%d passed, %d failed" % (counts["passed"], counts["failed"]))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
