"""Every ordered pair of formats: random models (models.py) of each source, each converted into each target.

A conversion must succeed with every value kept, the right classes in --json and, where all classes are `bytes`, the source's tensors back
byte for byte on the way back; or be refused as predict.py says, with its exit code and id, leaving nothing behind. A format that
`repaq formats --json` does not list as read or written is skipped and counted.
"""
import json
import os
import re
import shutil
import subprocess
import types

import compare
import formats
import hf
import judge
import models
import predict
import sources
import st
from st import Refusal

TARGETS = ("hf", "awq", "gptq", "gptq_v2", "compressed-tensors", "msmodelslim", "mlx")
# What a program says that does not have everything yet; --strict takes it for a failure.
NOT_YET = re.compile(r"this version does not|found an unknown option|found type \\?\"W8A8")
ROUND_TO_NEAREST = ("--bits 4 --group-size 32", "--bits 4 --group-size 32 --asym", "--bits 8 --group-size -1", "--bits 8 --group-size 32 --asym",
                    "--bits 4 --group-size -1 --asym", "--bits 3 --group-size 32")


def capabilities(program):
    """{name: (read, write, bits)}"""
    done = subprocess.run([program, "formats", "--json"], stdout=subprocess.PIPE, check=True)
    return {entry["name"]: (entry["read"], entry["write"], set(entry["bits"])) for entry in json.loads(done.stdout)["formats"]}


def parse(flags, source):
    """The options of convert as predict.py wants them."""
    def value(name, default=None):
        return flags[flags.index(name) + 1] if name in flags else default
    dtype = (value("--dtype") or "").upper() or None
    config = source and source.config or {}
    own = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}.get(config.get("torch_dtype") or config.get("dtype"), "F16")
    return types.SimpleNamespace(dtype=dtype, bits=int(value("--bits", 0)) or None, group_size=int(value("--group-size", 0)) or None,
                                 exact="--exact" in flags, weights_only="--weights-only" in flags, layout=value("--layout", "packed"),
                                 asym="--asym" in flags, out_dtype=dtype or own, rule=value("--gptq-zeros"))


def variants(o, target):
    """Flags of the conversions of a model into a target: plain, and some others, drawn from the model's seed."""
    rng, found = o.rng, []
    if o.format == "hf" and target != "hf":
        chosen = rng.sample(ROUND_TO_NEAREST, 2) + [""]
        return [(text + rng.choice(("", "", " --dtype bf16", " --dtype f32"))).split() for text in chosen]
    if o.trap in ("ambiguous", "top field"):
        return [[]] + [["--gptq-zeros", rule] for rule in ("word-add", "field-mod", "no-mask")]
    found = [[]]
    extra = ["--exact", "--dtype f32", "--dtype f16", "--dtype bf16", "--group-size %d" % rng.choice((-1, 8, 16, 32, 48))]
    if target != "hf":
        extra += ["--bits 8", "--bits 8 --group-size 32", "--dtype f32 --exact", "--bits %d" % rng.randint(1, 8)]
    if o.activation:
        extra = ["--weights-only"]
    if target == "msmodelslim":
        extra += ["--layout unpacked"] * 4
    if target == "hf":
        extra = [text for text in extra if "group" not in text]
    return found + [rng.choice(extra).split()]


class Case:
    """One model, and the lines of its conversions."""

    def __init__(self, seed, program, scratch, known, strict):
        self.program, self.scratch, self.known, self.lines, self.skipped = program, scratch, known, [], 0
        self.strict = strict
        self.o = models.draw(seed)
        self.name, self.directory = models.text_of(self.o), os.path.join(scratch, "source")
        sources.write(self.o, self.directory)

    def say(self, what, problems):
        details = "".join("\n     " + text for text in problems[:6])
        self.lines.append((not problems, "%s %s%s" % ("FAIL" if problems else "ok  ", what, details)))

    def read(self, rule=None):
        """(checkpoint, refusal)"""
        try:
            reader = formats.READERS[self.o.format]
            return (reader(self.directory, rule) if rule else reader(self.directory)), None
        except Refusal as refusal:
            return None, refusal

    def expected(self, source, refusal, target, o):
        """The problems that repaq must meet, and the checkpoint that it must write."""
        if refusal:
            rid = re.search(r"R-[A-Z0-9-]+", str(refusal))
            found = [predict.problem(rid.group() if rid else "", str(refusal), code) for code in refusal.codes]
            return found + [problem for problem in self.without_values(target, o) if re.search("R-(NONF|AMBIG|SYMF)|g_idx", str(refusal))], None
        if self.o.format == "hf" and target != "hf":
            if not o.bits:
                return [predict.problem("", "a float source without --bits", code) for code in (2, 5, 6)], None
            size = o.group_size or -1
            if o.bits not in predict.BITS[target] or (target == "mlx" and size not in predict.MLX_GROUPS):
                return [predict.problem("", "%d bits in groups of %d" % (o.bits, size), code) for code in (2, 5, 6)], None
            widths = {tensor.shape[1] for name, tensor in source.floats.items() if hf.LINEAR.match(name)}
            if any(width % size for width in widths if size > 0) and target in ("awq", "msmodelslim", "mlx"):
                return [predict.problem("", "the last group is short", 6)], None
            source = hf.quantize(source, o.bits, size, o.asym and target != "mlx",
                                 lambda own: predict.scale_dtype(types.SimpleNamespace(scale_dtype=own), target, o.dtype), target == "mlx")
            o.bits = o.group_size = None
        return predict.conversion(source, target, o), source

    def without_values(self, target, o):
        """What may be met before a broken value is: it shows in the shapes, or in a layer that comes before."""
        bits = o.bits or self.o.bits
        rids = ["R-ACTORDER", "R-GROUP", "R-SHAPE", "R-RANGE", "R-SCALE"]
        rids += {"gptq": ["R-ZERO-V1"], "mlx": ["R-BIAS"]}.get(target, [])
        if target != "hf" and (bits not in predict.BITS[target] or bits < self.o.bits):
            rids.append("R-BITS")
        return [predict.problem(rid, "", 6, False) for rid in rids if target != "hf" or rid == "R-SCALE"]

    def repaq(self, *arguments):
        done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")

    def convert(self, number, target, flags):
        source, refusal = self.read(flags[flags.index("--gptq-zeros") + 1] if "--gptq-zeros" in flags else None)
        o = parse(flags, source)
        problems, wanted = self.expected(source, refusal, target, o)
        parent = os.path.join(self.scratch, "%s-%d" % (target, number))
        destination = os.path.join(parent, "out")
        os.makedirs(parent)
        code, out, message = self.repaq("convert", self.directory, destination, "--to", target, "--json", *flags)
        what = "%s -> %s" % (self.name, " ".join([target] + flags))
        if code in (2, 5) and NOT_YET.search(message) and not self.strict:
            self.skipped += 1
            shutil.rmtree(parent)
            return
        if code != 0:
            self.say("%s: exit %d" % (what, code), self.refused(code, message, problems, os.listdir(parent)))
        elif any(one.sure for one in problems):
            self.say(what, ["it was done, expected exit %d: %s (%s)" % (one.code, one.why, one.rid) for one in problems if one.sure])
        else:
            wrong = self.written(json.loads(out), wanted, target, o, destination)
            self.say(what, wrong)
            if not wrong:
                self.verify_and_return(json.loads(out), source, target, flags, destination, what)
        shutil.rmtree(parent)

    def refused(self, code, message, problems, left):
        wrong = []
        if code not in {one.code for one in problems}:
            wanted = ", ".join(sorted({"%d %s" % (one.code, one.rid) for one in problems})) or "0"
            wrong.append("exit %d, expected %s\n     %s" % (code, wanted, message.strip()[:600]))
        said = set(re.findall(r"R-[A-Z][A-Z0-9]+(?:-V1)?", message))
        ids = {one.rid for one in problems if one.rid}
        if not wrong and ids and said and not said & ids:
            wrong.append("%s, expected %s: %s" % (", ".join(sorted(said)), ", ".join(sorted(ids)), message.strip()[:300]))
        return wrong + (["left behind: %s" % left] if left else [])

    def written(self, report, wanted, target, o, destination):
        try:
            found = formats.READERS[target](destination)
        except Refusal as refusal:
            return ["the plain reader refuses what was written: %s" % refusal]
        except (KeyError, ValueError, IndexError, TypeError) as error:
            return ["the plain reader cannot read what was written: %r" % error]
        tally = judge.Tally()
        wrong = judge.compare_models(wanted, found, target, o, tally)
        wrong += judge.check_config(destination, found, target)
        tensors = st.read_directory(destination)[0]
        return wrong + judge.check_report(report, tensors, tally, st.read_directory(self.directory)[0])

    def verify_and_return(self, report, source, target, flags, destination, what):
        if self.o.seed % 4 == 0:
            self.one_thread(target, flags, destination, what)
        moved_only = set(entry["class"] for entry in report["tensors"]) == {"bytes"}
        lossy = report["classes"]["lossy"] or "--gptq-zeros" in flags or "--weights-only" in flags
        if not lossy:
            code, out, message = self.repaq("verify", self.directory, destination)
            self.say(what + ": verify", [] if code == 0 else ["exit %d: %s" % (code, (message or out).strip()[:400])])
        home = self.o.format
        if not moved_only or not self.known.get(home, (0, 0))[1] or self.o.layout in ("gemv", "gemv_fast", "llm-awq", "padded", "old zeros") or "old 3-bit zeros" in what:
            return                                       # a layout that is only read
        back, layout = destination + "-back", []
        if home == "msmodelslim" and self.o.layout == "unpacked":
            layout = ["--layout", "unpacked"]
        if home.startswith("gptq") and self.o.scale_dtype == "BF16":
            return                                       # --dtype bf16 would cast the float tensors too
        code, _, message = self.repaq("convert", destination, back, "--to", home, *layout)
        if code != 0:
            self.say(what + " and back", ["exit %d: %s" % (code, message.strip()[:400])])
            return
        free = ("weight_shape",) if self.o.layout in (None, "g_idx") or not home.startswith("gptq") else (".g_idx",)     # of several spellings
        before, after = st.read_directory(self.directory)[0], st.read_directory(back)[0]
        differ = sorted(name for name in set(before) | set(after) if before.get(name) != after.get(name) and not name.endswith(free))
        self.say(what + " and back: the same bytes", ["%s differs" % name for name in differ[:4]] if differ else [])

    def one_thread(self, target, flags, destination, what):
        other = destination + "-one"
        code, _, message = self.repaq("convert", self.directory, other, "--to", target, "--threads", "1", *flags)
        wrong = ["exit %d: %s" % (code, message.strip()[:300])] if code else []
        for name in sorted(os.listdir(destination)) if code == 0 else []:
            if compare.read_bytes(os.path.join(destination, name)) != compare.read_bytes(os.path.join(other, name)):
                wrong.append(name + " differs")
        self.say(what + " with one thread: the same bytes", wrong)

    def run(self):
        reads, _, bits = self.known.get(self.o.format, (False, False, set()))
        if not reads or (bits and not {self.o.bits, self.o.other_bits or self.o.bits} <= bits):
            self.skipped += len(TARGETS)
            return
        before = {name: os.path.getsize(os.path.join(self.directory, name)) for name in os.listdir(self.directory)}
        for target in TARGETS:
            if (self.o.format, target) == ("mxfp4", "mlx"):           # the one target of its stacks: mxfp4.py
                continue
            if not self.known.get(target, (False, False))[1]:
                self.skipped += 1
                continue
            for number, flags in enumerate(variants(self.o, target)):
                self.convert(number, target, flags)
        after = {name: os.path.getsize(os.path.join(self.directory, name)) for name in os.listdir(self.directory)}
        if before != after:
            self.say(self.name + ": the source", ["it was changed"])


def run_model(job):
    """(lines, skipped) of the model of a seed."""
    seed, program, scratch, known, strict = job
    os.makedirs(scratch)
    try:
        case = Case(seed, program, scratch, known, strict)
        case.run()
        return case.lines, case.skipped
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


