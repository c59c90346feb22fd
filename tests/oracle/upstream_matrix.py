#!/usr/bin/env python3
"""Converts every checkpoint to every target with --verify, and lets the upstream tool of the target read the result. Run by scripts/oracle.

    upstream_matrix.py --repaq BINARY [--models DIR] [--made] --log FILE [--only TEXT] [--target NAME]

What must be refused, and with which exit code, is upstream_rules.py's table; a refusal must name a tensor, what was found and a remedy. What
is written must be read by upstream code as the same real numbers as the source, its scales rounded to the target's dtype: (q - z) * s is
compared in F64, where it is exact; floats that `--to hf` writes are the reference's F32 values rounded once, bit for bit. The model that
transformers builds from the two must give the same logits, bit for bit, in F32. What the given repaq does not know yet is a line `skip`.
"""
import argparse
import json
import os
import re
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

import upstream_kinds
import upstream_logits
import upstream_mlx
import upstream_native
import upstream_rules
from upstream_base import NOT_YET, ROUND, NotYet, differ
from upstream_rules import DTYPES

TARGETS = (("hf", {}), ("hf", {"--dtype": "f32"}), ("hf", {"--dtype": "f16"}), ("awq", {}), ("gptq", {}), ("gptq_v2", {}),
           ("compressed-tensors", {}), ("msmodelslim", {}), ("msmodelslim", {"--layout": "unpacked"}), ("mlx", {}), ("mlx", {"--dtype": "f32"}))
WEIGHTS_ONLY = ("gptq", "gptq_v2", "compressed-tensors", "mlx")
ERROR = re.compile(r"^repaq: error: (?P<where>.+?): (?P<rest>.+)$", re.M)
REMEDY = re.compile(r"^  try: .+$", re.M)


class Formats:
    """What the given repaq can read and write."""

    def __init__(self, program):
        found = json.loads(subprocess.run([program, "formats", "--json"], stdout=subprocess.PIPE, check=True).stdout)
        self.read = {entry["name"] for entry in found["formats"] if entry.get("read")}
        self.write = {entry["name"] for entry in found["formats"] if entry.get("write")}
        self.bits = {entry["name"]: set(entry.get("bits") or ()) for entry in found["formats"]}


class Matrix:
    def __init__(self, program, scratch, say, only, target):
        self.program, self.scratch, self.say, self.only, self.target = program, scratch, say, only, target
        self.formats = Formats(program)
        self.count = 0

    def convert(self, source, target, options):
        self.count += 1
        written = os.path.join(self.scratch, "%d-%s" % (self.count, target))
        words = [word for pair in options.items() for word in pair if word]
        done = subprocess.run([self.program, "convert", source, written, "--to", target, "--verify", *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return written, done.returncode, done.stderr.decode(errors="replace")

    def case(self, name, work):
        began = time.monotonic()
        try:
            problems = work()
        except NotYet as reason:
            name, problems = "%s: %s" % (name, reason), None
        except Exception as error:               # whatever upstream throws is its verdict
            traceback.print_exc()
            problems = ["%s: %s" % (type(error).__name__, str(error).strip().split("\n")[0])]
        print("%6.2f s %s" % (time.monotonic() - began, name), file=sys.stderr)
        self.say(name, problems)

    def unreadable(self, name, directory, exits):
        """A broken checkpoint: every target refuses it with the same code."""
        for target in ("hf", "awq", "gptq", "compressed-tensors"):
            if self.wants(name, target):
                if target not in self.formats.write:
                    self.say("%s -> %s: not written yet" % (name, target), None)
                    continue
                self.case("%s -> %s is refused" % (name, target), lambda: self.refusal(*self.convert(directory, target, {}), exits, [], ""))

    def wants(self, name, target):
        return self.only in name and self.target in ("", target)

    def source(self, name, directory, references=()):
        if self.only not in name:
            return
        try:
            reading = upstream_kinds.read(directory)
        except Exception as error:
            traceback.print_exc()
            self.say("%s: upstream reads it" % name, ["%s: %s" % (type(error).__name__, str(error).split("\n")[0])])
            return
        for path in references:
            self.case("%s: upstream reads it as references/%s" % (name, os.path.basename(path)), lambda: upstream_logits.reference(reading, path))
        facts = [upstream_rules.Facts(reading, weight) for weight in reading.weights]
        unread = sorted({fact.bits for fact in facts} - self.formats.bits.get(reading.format, set())) if reading.format != "hf" else []
        for target, options in TARGETS:
            self.pair(name, directory, reading, facts, target, options, unread)
            if reading.activation and target in WEIGHTS_ONLY:
                self.pair(name, directory, reading, facts, target, {**options, "--weights-only": ""}, unread)

    def pair(self, name, directory, reading, facts, target, options, unread):
        if not self.wants(name, target) or (not facts and target != "hf"):
            return
        case = "%s -> %s" % (name, " ".join([target] + [word for pair in options.items() for word in pair if word]))
        missing = ["%s is not read yet" % reading.format] if reading.format not in self.formats.read else []
        missing += ["%s is not written yet" % target] if target not in self.formats.write else []
        missing += ["%s of %s bits is not read yet" % (reading.format, unread)] if unread and not missing else []
        if missing:
            self.say("%s: %s" % (case, ", ".join(missing)), None)
            return
        self.case(case, lambda: self.judge(directory, reading, facts, target, options))

    def judge(self, directory, reading, facts, target, options):
        rule, exits = upstream_rules.expected(facts, reading.activation, target, options)
        if target == "hf" and upstream_rules.narrow(reading, options):
            rule, exits = "R-SCALE", (0, 6)
        written, code, said = self.convert(directory, target, options)
        if any(words in said for words in NOT_YET if code in (2, 5)):
            shutil.rmtree(written, ignore_errors=True)
            raise NotYet(said.strip().split("\n")[0])
        try:
            if code != 0 or 0 not in exits:
                return self.refusal(written, code, said, exits, reading.weights, rule)
            return self.compare(reading, upstream_kinds.read(written), target, options)
        finally:
            shutil.rmtree(written, ignore_errors=True)

    def refusal(self, written, code, said, exits, weights, rule):
        if code not in exits:
            return ["exit %d, expected %s%s" % (code, " or ".join(map(str, exits)), " by " + rule if rule else ""), said.strip()]
        problems = ["something was left at the destination"] if os.path.exists(written) else []
        found = ERROR.search(said)
        if not found:
            return problems + ["no `repaq: error: WHERE: ...` line: " + said]
        if weights and not any(weight in said for weight in weights):
            problems.append("no tensor is named: " + said)
        if not re.search(r"\bfound\b", found["rest"]):
            problems.append("what was found is not said: " + said)
        if code in (5, 6) and not REMEDY.search(said):
            problems.append("no remedy: " + said)
        return problems

    def compare(self, source, found, target, options):
        if target == "hf":
            return self.floats(source, found, options)
        problems = [] if found.format == target else ["it is a directory of %s" % found.format]
        if source.format == "mxfp4":                 # gpt-oss in MLX
            wanted = upstream_mlx.sanitized(source.directory, found) if "--dtype" not in options else []
            return problems + wanted or upstream_native.load(found, found.directory)
        if set(found.weights) != set(source.weights):
            return problems + ["other weights: %s" % sorted(set(found.weights) ^ set(source.weights))[:4]]
        for name in source.weights:
            fact = upstream_rules.Facts(source, name)
            if fact.zeros is None:                   # FP8 and MXFP4 codes and their scales only move
                problems += differ(name, found.float(name, torch.float32), source.float(name, torch.float32), bits=True)
                continue
            kept = source.format == target and "--dtype" not in options
            dtype = fact.stored if kept else upstream_rules.scale_dtype(target, fact, options)
            if target.startswith("gptq") and source.format.startswith("gptq") and "--dtype" not in options:
                dtype = found.scales(name).dtype
            if found.scales(name).dtype != dtype:
                problems.append("%s: scales %s, expected %s" % (name, found.scales(name).dtype, dtype))
            if found.bits[name] != source.bits[name]:
                problems.append("%s: %d bits became %d" % (name, source.bits[name], found.bits[name]))
            problems += differ(name, found.values(name, torch.Tensor.double), source.values(name, ROUND[dtype]))
        problems += found.layout() if target == "msmodelslim" else []
        problems += self.carried(source, found, DTYPES.get(options.get("--dtype")))
        if not all(source.is_integer(name) for name in source.weights):
            return problems or upstream_native.load(found, found.directory)
        return problems or upstream_logits.model(source, found, target, options) + upstream_native.load(found, found.directory)

    def floats(self, source, found, options):
        problems = ["%s is still quantized" % name for name in found.weights[:3]]
        named = found.config.get("dtype") or found.config.get("torch_dtype")
        dtype = DTYPES.get(options.get("--dtype")) or source_dtype(source)
        if source.weights and getattr(torch, named or "none", None) != dtype:
            problems.append("config.json says %s, expected %s" % (named, dtype))
        if "quantization_config" in found.config or "quantization" in found.config:
            problems.append("config.json still has a quantization_config")
        for name in source.weights:
            value = found.tensors.get(source.key(name))
            problems += [name + " is missing"] if value is None else differ(name, value, source.float(name, dtype), bits=True)
        wanted = {source.key(name) for name in source.weights} | set(source.carried)
        if set(found.tensors) != wanted:
            problems.append("other tensors: %s" % sorted(set(found.tensors) ^ wanted)[:4])
        problems += self.carried(source, found, DTYPES.get(options.get("--dtype")))
        return problems or upstream_logits.model(source, found, "hf", options)

    def carried(self, source, found, dtype=None):
        problems = ["%s was dropped" % name for name in sorted(set(source.carried) - set(found.tensors))]
        for name in set(source.carried) & set(found.tensors):
            wanted = source.carried[name]
            problems += differ(name, found.tensors[name], wanted.to(dtype) if dtype and wanted.is_floating_point() else wanted, bits=True)
        return problems


def source_dtype(source):
    named = source.config.get("dtype") or source.config.get("torch_dtype") or "float16"
    return getattr(torch, named)


BROKEN = {"synth-edge-desc-mismatch": (4,), "synth-edge-missing-shard": (4,), "synth-edge-truncated-shard": (4,)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--repaq", required=True)
    p.add_argument("--models")
    p.add_argument("--made", action="store_true", help="also checkpoints that the upstream tools make now")
    p.add_argument("--log", required=True, help="what the upstream packages print")
    p.add_argument("--only", default="")
    p.add_argument("--target", default="")
    p.add_argument("--complete", action="store_true", help="what is not known yet is a failure")
    a = p.parse_args()
    out = os.fdopen(os.dup(1), "w")
    log = os.open(a.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    tally = {"ok  ": 0, "FAIL": 0, "skip": 0}

    def say(name, problems):
        """None for what cannot be judged yet."""
        if problems is None and a.complete:
            problems = ["not known yet"]
        verdict = "skip" if problems is None else "FAIL" if problems else "ok  "
        tally[verdict] += 1
        print("%s %s%s" % (verdict, name, "".join("\n     " + problem for problem in (problems or [])[:4])), file=out, flush=True)

    torch.set_num_threads(1)         # more only wait for each other on tensors this small
    scratch = tempfile.mkdtemp(prefix="repaq-matrix-")
    try:
        matrix = Matrix(os.path.abspath(a.repaq), scratch, say, a.only, a.target)
        if a.models:
            folders(matrix, a.models)
        if a.made:
            import upstream_made
            upstream_made.run(matrix, os.path.join(scratch, "made"))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("%d passed, %d failed, %d skipped" % (tally["ok  "], tally["FAIL"], tally["skip"]), file=out, flush=True)
    return 1 if tally["FAIL"] or not tally["ok  "] else 0


def folders(matrix, models):
    for name in sorted(os.listdir(models)):
        directory = os.path.join(models, name)
        if not os.path.isdir(directory) or name == "references":
            continue
        if name in BROKEN:
            matrix.unreadable(name, directory, BROKEN[name])
        elif os.path.exists(os.path.join(directory, "config.json")):
            kept = [os.path.join(models, "references", name + made) for made in (".expected_dequant.safetensors", ".reference_dequant.safetensors")]
            matrix.source(name, directory, [path for path in kept if os.path.exists(path)])
        elif matrix.only in name:
            matrix.say(name + ": a layout of original checkpoints (.pth), judged elsewhere", None)


if __name__ == "__main__":
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
        code = 2
    sys.stderr.flush()
    os._exit(code)      # upstream leaves threads behind that would abort a plain exit
