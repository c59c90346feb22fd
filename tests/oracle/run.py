#!/usr/bin/env python3
"""Holds repaq against the plain implementation beside this file.

    run.py --repaq BINARY --fixtures DIR [--models DIR] [--only TEXT] [--random N] [--seed S --count N] [--strict]

Sources are every msModelSlim, AWQ and GPTQ folder of the fixtures (and of the models), and seeded random checkpoints. Each is
converted to each target and back; what is written is read by the plain readers and compared, and where the plain reader
predicts a refusal, repaq must give its exit code and leave nothing behind. Then the matrix: the random models of the seeds
S .. S+N-1, through every ordered pair of formats (matrix.py), MXFP4 in its encodings (mxfp4.py), gpt-oss into GGUF
(gptoss.py), Q5_0 (q5.py), and quantized fixtures into GGUF (gguf.py). A case's `#SEED` and its flags reproduce it:
`--seed SEED --count 1 --only "#SEED "`. One line a case, then `N passed, N failed`, and how many were skipped.
"""
import argparse
import concurrent.futures
import hashlib
import math
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import awq
import awq_kinds
import bnb
import compare
import compressed
import expect
import floats
import generate
import gguf
import gptoss
import gptq
import hf
import matrix
import minifloat
import mlx_affine
import models
import msmodelslim
import mxfp4
import q5
import st
import streams
from st import Refusal

TARGETS = ("awq", "gptq", "gptq_v2")
READERS = {"msmodelslim": msmodelslim.read, "awq": awq.read, "gptq": gptq.read, "gptq_v2": gptq.read}

# Random checkpoints: the generator's options, and what else to ask of repaq than the three targets.
GENERATED = [
    "--seed 1 --group 32",
    "--seed 2 --group 32 --asym --zeros positive",
    "--seed 3 --group 32 --asym --packed --shards 3",
    "--seed 4 --group 0 --asym --zeros positive --packed",
    "--seed 5 --group 0",
    "--seed 6 --group 64 --packed --hidden 64 --shards 2",
    "--seed 7 --group 32 --asym --packed --shards 3 --leave mlp.down_proj --twins equal --norm-bias zero",
    "--seed 8 --group 32 --leave layers.1.mlp.down_proj --bias --twins equal --norm-bias zero --float-dtype F16",
    "--seed 9 --group 16 --asym --zeros positive --scale-dtype BF16 --bias --shards 4",
    "--seed 10 --group 128 --hidden 128 --scale-dtype F16 --asym --zeros positive --packed --float-dtype F32",
    "--seed 11 --group 32 --dead 0.2",
    "--seed 12 --group 32 --dead 0.2 --asym --zeros positive",
    "--seed 13 --group 32 --dead 0.5 --asym --zeros positive --packed --scale-dtype BF16",
    "--seed 14 --group 0 --dead 0.3 --asym --zeros positive --packed --scale-dtype F16",
    "--seed 15 --group 32 --scale-shape flat --asym --zeros positive",
    "--seed 16 --group 32 --scale-shape flat --asym --packed",
    "--seed 17 --scale-shape vector --asym --zeros positive",
    "--seed 18 --bits 8 --group 32",
    "--seed 19 --bits 8 --group 32 --asym --zeros positive --shards 2",
    "--seed 20 --bits 8 --group 0 --asym",
    "--seed 21 --bits 8 --group 0 --packed --scale-shape one",
    "--seed 22 --bits 8 --group 0 --asym --zeros positive --scale-shape scalar",
    "--seed 23 --bits 8 --group 64 --hidden 128 --packed --dead 0.2 --asym --zeros positive --scale-dtype F16 --tied",
    "--seed 24 --bits 8 --group 32 --scale-shape flat --scale-dtype BF16",
    "--seed 25 --group 32 --scales small",
    "--seed 26 --group 32 --scales negative --asym --zeros positive",
    "--seed 27 --group 0 --hidden 40 --intermediate 72 --vocab 24",
    "--seed 28 --group 8 --hidden 48 --intermediate 88 --asym --zeros positive --packed",
    "--seed 29 --group 32 --tied --layers 3 --shards 5 --norm-bias zero",
    "--seed 30 --group 32 --other-group mlp.down_proj --asym --zeros positive",
    "--seed 31 --group 32 --other-group self_attn.o_proj --packed",
    "--seed 32 --group 32 --other-bits mlp.down_proj",
    "--seed 33 --bits 8 --group 32 --other-bits layers.0.mlp.up_proj --leave layers.1.self_attn.q_proj --packed --asym --zeros positive",
    "--seed 34 --group 32 --scales exact --packed",
    "--seed 35 --group 32 --scales exact --scale-dtype BF16 --float-dtype BF16 --asym --zeros positive",
    # what must be refused, by every target or by some
    "--seed 40 --group 32 --asym --zeros outside",
    "--seed 41 --group 32 --asym --zeros outside --packed --shards 2",
    "--seed 42 --group 32 --asym --zeros fraction",
    "--seed 43 --group 32 --asym --zeros nan",
    "--seed 44 --group 32 --asym --zeros infinite",
    "--seed 45 --bits 8 --group 0 --asym --zeros outside",
    "--seed 46 --group 32 --scales overflow",
    "--seed 47 --group 32 --scales underflow",
    "--seed 48 --group 32 --scales nan",
    "--seed 49 --group 32 --norm-bias nonzero",
    "--seed 50 --group 32 --twins different",
    "--seed 51 --group 0 --hidden 40 --intermediate 100",
    "--seed 52 --bits 8 --group 0 --hidden 40 --intermediate 70",
    "--seed 53 --bits 8 --group 0 --kind W8A8",
    "--seed 54 --bits 8 --group 0 --kind W8A8_DYNAMIC --packed",
    "--seed 55 --group 32 --damage undescribed",
    "--seed 56 --group 32 --damage absent --packed",
    "--seed 57 --group 32 --damage int4-range",
    "--seed 58 --group 32 --damage missing-shard --shards 3",
    "--seed 59 --group 32 --damage truncated --shards 2",
    "--seed 60 --group 32 --damage no-scale",
    # the other dialects as sources
    "--seed 70 --format awq --group 32 --asym",
    "--seed 71 --format awq --group 0 --asym --zeros positive --shards 3 --bias --leave mlp.down_proj",
    "--seed 72 --format awq --group 64 --hidden 128",
    "--seed 73 --format gptq --group 32",
    "--seed 74 --format gptq --group 32 --asym --zeros positive --shards 2 --bias",
    "--seed 75 --format gptq --bits 8 --group 64 --hidden 128 --leave mlp.down_proj",
    "--seed 76 --format gptq --bits 8 --group 0 --asym --zeros positive --no-g-idx",
    "--seed 77 --format gptq_v2 --group 32 --asym --shards 3",
    "--seed 78 --format gptq_v2 --bits 8 --group 32 --asym",
    "--seed 79 --format gptq_v2 --bits 3 --group 32 --hidden 64",
    "--seed 80 --format gptq --bits 2 --group 32 --asym --zeros positive",
    "--seed 81 --format gptq --bits 3 --group 64 --hidden 128 --asym --zeros positive",
    "--seed 82 --format gptq --group 32 --act-order",
    "--seed 84 --format gptq --group 32 --asym",
    "--seed 83 --format gptq_v2 --bits 8 --group 32 --act-order --asym --zeros positive --shards 2",
]
EXTRA = {       # more conversions of some of them: target and options of convert
    "--seed 1 ": [("awq", "--exact"), ("gptq", "--dtype f32"), ("gptq_v2", "--group-size 16"), ("awq", "--group-size 8"),
                  ("gptq_v2", "--bits 8"), ("gptq", "--memory 64MiB")],
    "--seed 2 ": [("awq", "--dtype f16"), ("gptq_v2", "--bits 8 --group-size 16"), ("gptq", "--verify")],
    "--seed 3 ": [("awq", "--verify"), ("awq", "--dtype f32")],
    "--seed 5 ": [("awq", "--group-size 32"), ("gptq", "--group-size 64")],
    "--seed 9 ": [("gptq", "--dtype bf16"), ("gptq_v2", "--dtype bf16 --exact"), ("awq", "--dtype bf16")],
    "--seed 10 ": [("awq", "--exact"), ("gptq", "--exact")],
    "--seed 18 ": [("gptq", "--exact"), ("gptq", "--verify"), ("awq", "--bits 4")],
    "--seed 34 ": [("awq", "--exact"), ("gptq", "--exact"), ("gptq_v2", "--exact")],
    "--seed 35 ": [("awq", "--exact"), ("gptq", "--dtype bf16 --exact")],
    "--seed 84 ": [("gptq_v2", "--gptq-zeros field-mod"), ("awq", "--gptq-zeros word-add"), ("gptq_v2", "--gptq-zeros no-mask"),
                   ("gptq", "--gptq-zeros field-mod")],
    "--seed 70 ": [("gptq_v2", "--exact")],
}
THREADS = ("--seed 3 ", "--seed 7 ", "--seed 24 ", "--seed 77 ", "ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe", "synth-edge-scale-flat")
MUTATED = ("--seed 3 ", "--seed 19 ")


class Source:
    """A checkpoint on disk, what the plain reader says of it, and the lines that its cases print."""

    def __init__(self, name, directory, dialect, program, scratch):
        self.name, self.directory, self.dialect, self.program, self.scratch = name, directory, dialect, program, scratch
        self.lines, self.count = [], 0
        try:
            self.checkpoint, self.refusal = READERS[dialect](directory), None
            expect.source(self.checkpoint)
        except Refusal as refusal:
            self.checkpoint, self.refusal = None, refusal

    def say(self, case, problems):
        details = "".join("\n     " + problem for problem in problems[:6])
        self.lines.append((not problems, "%s %s%s" % ("FAIL" if problems else "ok  ", case, details)))

    def repaq(self, *arguments):
        done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=300)
        return done.returncode, done.stderr.decode(errors="replace")

    def read_as(self, flags):
        """(checkpoint, refusal): what the flags make of the source."""
        if "--gptq-zeros" not in flags:
            return self.checkpoint, self.refusal
        return gptq.read(self.directory, flags[flags.index("--gptq-zeros") + 1]), None

    def expected(self, target, flags):
        checkpoint, refusal = self.read_as(flags)
        if refusal:
            return refusal
        value = {flag: flags[at + 1] for at, flag in enumerate(flags) if flag in ("--dtype", "--bits")}
        try:
            expect.conversion(checkpoint, target, value.get("--dtype", "").upper() or None, "--exact" in flags,
                              int(value.get("--bits", 0)) or None)
        except Refusal as refusal:
            return refusal
        return None

    def convert(self, target, flags=()):
        """Converts and checks; returns the directory, or None where repaq must refuse or did not do well."""
        self.count += 1
        parent = os.path.join(self.scratch, "%d-%s" % (self.count, target))
        os.makedirs(parent)
        destination = os.path.join(parent, "out")
        case = "%s -> %s" % (self.name, " ".join((target, *flags)))
        refusal = self.expected(target, flags)
        code, message = self.repaq("convert", self.directory, destination, "--to", target, *flags)
        problems = []
        if code not in (refusal.codes if refusal else (0,)):
            wanted = "%s (%s)" % (" or ".join(map(str, refusal.codes)), refusal) if refusal else "0"
            problems.append("exit %d, expected %s\n     %s" % (code, wanted, message.strip()))
        if os.listdir(parent) != (["out"] if code == 0 else []):
            problems.append("left behind: %s" % os.listdir(parent))
        if code != 0 and "repaq: error: " not in message:
            problems.append("no message: %r" % message)
        if not problems and code == 0:
            problems = self.compare(destination, target, flags)
        self.say("%s%s" % (case, ": exit %d" % code if refusal else ""), problems)
        return destination if code == 0 and not problems else None

    def compare(self, destination, target, flags):
        dtype = flags[flags.index("--dtype") + 1].upper() if "--dtype" in flags else None
        try:
            written = READERS[target](destination)
        except Refusal as refusal:
            return ["the plain reader refuses what was written: %s" % refusal]
        problems = [] if written.dialect == target else ["written as " + written.dialect]
        source, _ = self.read_as(flags)
        problems += compare.compare(source, written, dtype)
        problems += compare.check_files(source, written, destination)
        problems += compare.check_config(source, written, destination)
        want = "BF16" if dtype == "BF16" and target != "awq" else "F16"
        problems += ["%s: scales are %s" % (w.name, w.scale_dtype) for w in written.weights.values() if w.scale_dtype != want]
        for flag, value in (("--bits", lambda w: w.bits), ("--group-size", lambda w: w.in_ // w.groups)):
            if flag in flags:
                wanted = int(flags[flags.index(flag) + 1])
                problems += ["%s: %s gave %d" % (w.name, flag, value(w)) for w in written.weights.values() if value(w) != wanted]
        if "--bits" not in flags and any(w.bits != source.weights[w.name].bits for w in written.weights.values()):
            problems.append("widened without being asked")
        if self.refusal:            # an ambiguous source: verify has no option that reads it
            return problems
        code, message = self.repaq("verify", self.directory, destination)
        if code != 0:
            problems.append("repaq verify: exit %d: %s" % (code, message.strip()))
        return problems

    def onward(self, first, target, direct):
        """What was written as `first` moves on to `target`: the same bytes as the direct way."""
        again = Source("%s -> %s" % (self.name, first[0]), first[1], first[0], self.program, first[1] + "-on")
        there = again.convert(target)
        self.lines += again.lines
        alike = len({weight.in_ // weight.groups for weight in self.checkpoint.weights.values()}) == 1 or "--other-group" not in self.name
        if there and direct and alike and weight_bytes(there) != weight_bytes(direct):
            self.say("%s -> %s -> %s: the bytes of the direct way" % (self.name, first[0], target), ["weights differ"])

    def threads(self, target):
        digests = {}
        for count in ("1", "2", "8"):
            there = os.path.join(self.scratch, "threads-%s-%s" % (target, count))
            code, message = self.repaq("convert", self.directory, there, "--to", target, "--threads", count)
            digests[count] = tree(there) if code == 0 else message
        self.say("%s -> %s with 1, 2 and 8 threads: the same bytes" % (self.name, target),
                 [] if len(set(map(str, digests.values()))) == 1 else ["they differ: %s" % sorted(digests)])

    def mutate(self, written):
        """A changed code, zero, scale or float tensor: verify must see it."""
        os.remove(os.path.join(written, "repaq-manifest.json"))
        shard = os.path.join(written, sorted(name for name in os.listdir(written) if name.endswith(".safetensors"))[0])
        metadata, tensors = st.read(shard)
        for suffix in (".qweight", ".qzeros", ".scales", "embed_tokens.weight"):
            name = sorted(name for name in tensors if name.endswith(suffix))[0]
            sound = tensors[name].data
            body = bytearray(sound)
            body[len(body) // 2 & ~3] ^= 0x10
            tensors[name].data = bytes(body)
            st.write(shard, tensors, metadata)
            code, message = self.repaq("verify", self.directory, written)
            self.say("%s: verify sees a changed bit of %s" % (self.name, name),
                     [] if code == 1 else ["exit %d: %s" % (code, message.strip())])
            seen = compare.compare(self.checkpoint, READERS["gptq_v2"](written))
            self.say("%s: so does the comparison of this program" % self.name, [] if len(seen) == 1 else ["%d differences" % len(seen)])
            tensors[name].data = sound


def weight_bytes(directory):
    return {name: compare.read_bytes(os.path.join(directory, name)) for name in os.listdir(directory) if name.endswith(".safetensors")}


def tree(directory):
    return {name: hashlib.sha256(compare.read_bytes(os.path.join(directory, name))).hexdigest() for name in sorted(os.listdir(directory))}


def random_options(rng):
    """Options of the generator, drawn so that most of them give a sound checkpoint."""
    def maybe(share, text):
        return [text] if rng.random() < share else []
    kind = rng.choice(("msmodelslim", "msmodelslim", "awq", "gptq", "gptq_v2"))
    bits = 4 if kind == "awq" else rng.choice((4, 4, 8))
    group = rng.choice((0, 8, 16, 32, 64, 128))
    step = max(group, 8)
    words = ["--seed %d --format %s --bits %d --group %d" % (rng.randrange(1 << 30), kind, bits, group),
             "--hidden %d --intermediate %d --vocab %d" % (step * 2 * rng.randint(1, max(1, 64 // step)),
                                                           step * rng.randint(1, max(1, 160 // step)), rng.randint(3, 40)),
             "--layers %d --shards %d" % (rng.randint(1, 3), rng.choice((1, 1, 2, 3, 6))),
             "--scale-dtype %s --float-dtype %s" % (rng.choice(("F32", "F16", "BF16")), rng.choice(("F32", "F16", "BF16")))]
    zeros = {"msmodelslim": ("positive", "positive", "whole", "outside"), "gptq": ("positive",)}.get(kind, ("positive", "whole"))
    words += maybe(0.6, "--asym --zeros " + rng.choice(zeros)) + maybe(0.3, "--bias")
    words += maybe(0.2, "--tied") + maybe(0.3, "--leave mlp.down_proj") + maybe(0.2, "--leave layers.0.self_attn.v_proj")
    words += maybe(0.3, "--scales " + rng.choice(("exact", "small", "negative", "underflow")))
    if kind == "msmodelslim":
        words += maybe(0.3, "--dead 0.2") + maybe(0.3, "--norm-bias zero") + maybe(0.3, "--twins equal")
        words += maybe(0.2, "--other-group self_attn.o_proj") + maybe(0.15, "--other-bits mlp.up_proj")
        if rng.random() < 0.2:
            words += ["--scale-shape " + rng.choice(("flat", "vector") if bits == 4 else ("flat", "vector", "one", "scalar"))]
        else:
            words += maybe(0.5, "--packed")
    elif kind != "awq":
        words += maybe(0.2, "--act-order") or maybe(0.2, "--no-g-idx")
    return " ".join(words)


def same(a, b):
    return len(a) == len(b) and all(x == y or (isinstance(x, float) and math.isnan(x) and math.isnan(y)) for x, y in zip(a, b))


def check_generator(source, made):
    """The plain reader gives back what the generator meant to write."""
    if source.refusal:
        return
    found, problems = source.checkpoint.weights, []
    for name, weight in made.items():
        got = found.get(name)
        if got is None or got.codes != weight.codes or got.group_of != weight.group_of or got.bits != weight.bits:
            problems.append(name + ": codes")
        elif not all(same(a, b) for a, b in zip(got.scales, weight.scales)) and source.dialect == "msmodelslim":
            problems.append(name + ": scales")
        elif not all(same(a, b) for a, b in zip(got.zeros, weight.zeros)) and weight.scale_dtype == "F32":
            problems.append(name + ": zeros")
    source.say(source.name + ": the plain reader returns what was generated", problems)


def run_source(job):
    name, directory, dialect, arguments, program, scratch = job
    os.makedirs(scratch)
    made = None
    if arguments is not None:
        directory = os.path.join(scratch, "source")
        o = generate.options(directory, *arguments)
        made, dialect = generate.generate(o), o.format
    source = Source(name, directory, dialect, program, scratch)
    before = tree(directory)
    if made is not None:
        check_generator(source, made)
    written = {target: source.convert(target) for target in TARGETS}
    for key, conversions in EXTRA.items():
        if (name + " ").startswith(key):
            for target, flags in conversions:
                source.convert(target, flags.split())
    for first in TARGETS:
        for target in TARGETS:
            if written[first] and target != first:
                source.onward((first, written[first]), target, written[target])
    if any((name + " ").startswith(key) for key in THREADS):
        source.threads("gptq_v2")
        if written["awq"]:
            source.threads("awq")
    if any((name + " ").startswith(key) for key in MUTATED):
        source.mutate(written["gptq_v2"])
    if tree(directory) != before:
        source.say(name + ": the source", ["it was changed"])
    shutil.rmtree(scratch)
    return source.lines


def run_job(job):
    """run_source; whatever goes wrong in it is a failure of that source."""
    try:
        return run_source(job)
    except Exception:
        return [(False, "FAIL %s: %s" % (job[0], traceback.format_exc().strip()))]


def matrix_job(job):
    """matrix.run_model; whatever goes wrong in it is a failure of that seed."""
    try:
        return matrix.run_model(job)
    except Exception:
        return [(False, "FAIL #%d: %s" % (job[0], traceback.format_exc().strip()))], 0


def dialect_of(directory):
    if msmodelslim.find_description(directory):
        return "msmodelslim"
    config = os.path.join(directory, "config.json")
    quantization = st.load_json(config).get("quantization_config") if os.path.exists(config) else None
    method = (quantization or {}).get("quant_method")
    return method if method in ("awq", "gptq") else None


def folders(root):
    """(name, directory, dialect) of every checkpoint below root that the plain readers know."""
    found = []
    for directory, subdirectories, _ in sorted(os.walk(root)):
        subdirectories.sort()
        dialect = dialect_of(directory)
        if dialect:
            found.append((os.path.basename(directory), directory, dialect))
    return found


def self_test():
    lines = []
    for module in (floats, streams, msmodelslim, awq, awq_kinds, gptq, compressed, mlx_affine, bnb, minifloat, hf):
        try:
            lines.append((True, "ok   %s: %d comparisons with known answers" % (module.__name__, module.check())))
        except AssertionError as error:
            lines.append((False, "FAIL %s: %s" % (module.__name__, error)))
    return lines


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--repaq", required=True)
    p.add_argument("--fixtures", required=True)
    p.add_argument("--models")
    p.add_argument("--random", type=int, default=0, help="so many more random checkpoints, of options drawn from --seed")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=48, help="models of the matrix, of the seeds from --seed on")
    p.add_argument("--strict", action="store_true", help="the matrix takes what the program does not have yet for a failure")
    p.add_argument("--only", default="", help="sources whose name holds this")
    a = p.parse_args()
    program = os.path.abspath(a.repaq)
    sources = folders(a.fixtures) + (folders(a.models) if a.models else [])
    seen, jobs = set(), []
    scratch = tempfile.mkdtemp(prefix="repaq-oracle-")
    for name, directory, dialect in sources:
        if name not in seen and a.only in name:
            jobs.append((name, directory, dialect, None, program, os.path.join(scratch, str(len(jobs)))))
        seen.add(name)
    rng = random.Random(a.seed)
    for text in GENERATED + [random_options(rng) for _ in range(a.random)]:
        if a.only in text:
            jobs.append((text, None, None, shlex.split(text), program, os.path.join(scratch, str(len(jobs)))))
    print("seed %d" % a.seed)
    known = matrix.capabilities(program)
    expect.READ_BITS.update({name: bits for name, (_, _, bits) in known.items() if name in expect.READ_BITS})
    seeds = [seed for seed in range(a.seed, a.seed + a.count) if a.only in models.text_of(models.draw(seed)) + " "]
    pairs = [(seed, program, os.path.join(scratch, "model-%d" % seed), known, a.strict) for seed in seeds]
    passed, failed, skipped = 0, 0, 0
    try:
        with concurrent.futures.ProcessPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
            first, second = pool.map(run_job, jobs), pool.map(matrix_job, pairs)
            third = [(mxfp4.judge(program, os.path.join(scratch, "mxfp4")), 0)] if a.only in "mxfp4" else []
            third += [(gptoss.judge(program, os.path.join(scratch, "gptoss")), 0)] if a.only in "gptoss" else []
            third += [(q5.judge(program, os.path.join(scratch, "q5")), 0)] if a.only in "q5" else []
            third.append((gguf.judge(program, a.fixtures, a.models, os.path.join(scratch, "gguf"), a.only), 0))
            for part, left in [(self_test(), 0)] + third + [(part, 0) for part in first] + list(second):
                for good, line in part:
                    print(line, flush=True)
                    passed, failed = passed + good, failed + (not good)
                skipped += left
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if skipped:
        print("skip %d conversions of the matrix: formats, widths or options that %s does not have" % (skipped, os.path.basename(program)))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
