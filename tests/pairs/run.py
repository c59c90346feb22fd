#!/usr/bin/env python3
"""What `repaq formats --from A --to B` says of a pair, held against what `convert --dry-run` plans for every fixture of A, and for GGUF files that are made of
fixtures: no plan is less exact than the class that is stated, and what is refused (exit 5 or 6) is one of the conditions, by its id.

    run.py --repaq REPAQ --fixtures DIR
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ORDER = ["bytes", "exact", "rounded", "lossy"]
PARTS = {"codes", "scales", "zeros", "beta", "embed"}  # of weights that keep their codes
IDS = re.compile(r"R-[A-Z0-9]+(?:-[A-Z0-9]+)*")
# GGUF files to read: a fixture, what its file is named, and the options of the conversion that makes it.
MADE = [("gptq/gptq-qwen2-4bit-g128-sym", "Q4_0", []), ("compressed_tensors/ct-qwen2-w4a16-awq-g64-asym", "Q4_1", []),
        ("awq/awq-qwen2-4bit-g128", "asymmetric", []), ("mlx/mlx-qwen2-4bit-g64", "biases", []), ("bitsandbytes/bnb-int8", "Q8_0", []),
        ("gptq/gptq-qwen2-4bit-g128-sym", "Q4_K_M", ["--type", "Q4_K_M", "--allow-requantize"]),
        ("gptq/gptq-qwen2-4bit-g128-sym", "Q5_0", ["--type", "Q5_0", "--allow-requantize"]),
        ("gptq/gptq-qwen2-4bit-g128-sym", "F16", ["--type", "F16"])]


def run(repaq, *arguments):
    done = subprocess.run([repaq, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def plan(repaq, source, to):
    """Exit code; the plan, or what the error says."""
    code, out, err = run(repaq, "convert", source, "out.gguf" if to == "gguf" else "out", "--to", to, "--dry-run", "--json")
    return code, json.loads(out) if code == 0 else err


def judged(report, pair):
    """What is wrong with a plan; None if nothing is."""
    tensors = report["tensors"]
    weights = [t for t in tensors if t["step"] in PARTS] or tensors
    worst = max((ORDER.index(t["class"]) for t in weights), default=0)
    if pair["class"] == "none":
        return "is planned, and none is stated"
    stated = ORDER.index(pair["class"])
    if pair["to"] == "hf" and any("else rounded" in line for line in pair["conditions"]):
        stated = ORDER.index("rounded")
    if pair["class"] == "bytes" and any("exactly" in line for line in pair["conditions"]):
        stated = ORDER.index("exact")
    if pair["class"] == "lossy":
        return "is planned without --bits"
    return "is %s, and %s is stated" % (ORDER[worst], pair["class"]) if worst > stated else None


def refused(error, pair):
    ids = set(IDS.findall(error.splitlines()[0]))
    stated = set(IDS.findall(" ".join(pair["conditions"])))
    if pair["class"] in ("none", "lossy") and not ids:
        return None
    if not ids and any("architecture" in line for line in pair["conditions"]):
        return None
    if not ids and any("--bits rounds" in line for line in pair["conditions"]) and "no quantized weights" in error:
        return None
    return None if ids & stated else "is refused by what no condition says: " + error.strip()


def sources(options, folder):
    """(format, path) of every fixture that can be read."""
    for place in sorted(options.fixtures.glob("*/*")):
        if place.is_dir():
            yield place
    for fixture, name, words in MADE:
        made = folder / (name + ".gguf")
        code, _, err = run(options.repaq, "convert", options.fixtures / fixture, made, "--to", "gguf", *words)
        if code != 0:
            raise SystemExit("%s is not made: %s" % (name, err))
        yield made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repaq", required=True)
    parser.add_argument("--fixtures", required=True, type=pathlib.Path)
    options = parser.parse_args()
    pairs, failures, passed, reached = {}, 0, 0, {}
    rows = json.loads(run(options.repaq, "formats", "--json")[1])["formats"]
    written = [row["name"] for row in rows if row["write"]]
    with tempfile.TemporaryDirectory(prefix="repaq-pairs-") as folder:
        for source in sources(options, pathlib.Path(folder)):
            code, out, _ = run(options.repaq, "inspect", source, "--json")
            if code != 0:  # broken on purpose
                continue
            own = json.loads(out)["format"]
            for to in written:
                if (own, to) not in pairs:
                    pairs[own, to] = json.loads(run(options.repaq, "formats", "--from", own, "--to", to, "--json")[1])
                pair = pairs[own, to]
                code, report = plan(options.repaq, source, to)
                what = judged(report, pair) if code == 0 else refused(report, pair) if code in (5, 6) else None
                if code == 0:
                    reached.setdefault((own, to), source.name)
                if what is not None:
                    failures += 1
                    print("FAIL %s -> %s: %s" % (source.name, to, what))
                else:
                    passed += 1
    for own in sorted({own for own, _ in pairs}):
        print("ok   %s reaches %s" % (own, ", ".join(to for to in written if (own, to) in reached) or "nothing"))
    print("%d passed, %d failed" % (passed, failures))
    return 1 if failures else 0


sys.exit(main())
