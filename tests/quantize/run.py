#!/usr/bin/env python3
"""llama-quantize against the recorded outputs of llama.cpp's own: whole files by sha256, and the types that --dry-run chooses.

   tests/quantize/run.py --repaq BUILD/repaq [--golden DIR] [--only WORD]

DIR (or $REPAQ_GOLDEN) is the golden data, laid out; without it there is nothing to compare with and the test says so."""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = ["llama-tiny", "qwen2-tiny"]
TYPES = ["moe4-5", "cols288-12", "cols100-4", "falcon-12"]


class Run:
    def __init__(self, repaq, only):
        self.repaq, self.only, self.passed, self.failed = repaq, only, 0, 0

    def case(self, name, why):
        if why is None:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {name}: {why}")

    def quantize(self, words, place):
        return subprocess.run([self.repaq, "llama-quantize", *words], cwd=place, capture_output=True, text=True, check=False)


def judge(result, recorded, place):
    """None where repaq did what llama-quantize did."""
    if recorded["rc"] != 0:
        return None if result.returncode != 0 else "was accepted"
    if result.returncode != 0:
        return result.stderr.strip()
    if "output" not in recorded:
        return None
    data = (place / recorded["output"]["file"]).read_bytes()
    return None if hashlib.sha256(data).hexdigest() == recorded["output"]["sha256"] else "found other bytes"


def manifest(run, golden, path, sources):
    """All runs of one manifest, in order: some take the output of an earlier one."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        text = json.loads(path.read_text())
        for source in sources:
            if not (place / source.name).exists():
                (place / source.name).symlink_to(source)
        own = place / text["source"]["file"]
        if not own.exists():
            own.symlink_to(path.with_name(path.name.replace(".manifest.json", ".gguf")))
        importance = path.with_name(path.name.replace(".manifest.json", ".imatrix.gguf"))
        if importance.exists():
            (place / f"imatrix.{importance.name.replace('.imatrix', '')}").symlink_to(importance)
        (place / "types.txt").write_text("attn_q=q8_0\nffn_up=q6_K  attn_output=q5_1\n")
        for recorded in text["results"]:
            if run.only is not None and run.only not in recorded["variant"]:
                continue
            out = place / recorded.get("output", {}).get("file", "none")
            if out.is_symlink():
                out.unlink()
            run.case(f"{path.name} {recorded['variant']}", judge(run.quantize(recorded["args"], place), recorded, place))


def types_of(output, names):
    """Name -> type in the plan that --dry-run prints."""
    found = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) > 2 and words[0] in names:
            found[words[0]] = words[1]
    return found


def refused(run, words, filetype, dry, place):
    """None where the run is refused and leaves nothing, and --dry-run is refused as well, or warns of the importance matrix."""
    if dry.returncode != 6 and (dry.returncode != 0 or "need an importance matrix" not in dry.stderr):
        return "--dry-run says nothing of it"
    with tempfile.TemporaryDirectory() as name:
        result = run.quantize([*words, os.path.join(name, "none.gguf"), filetype], place)
        return "was accepted" if result.returncode != 6 or os.listdir(name) else None


def matrix(run, golden):
    """The types of small models of many shapes, for every type of file."""
    text = json.loads((golden / "gguf/types/type_matrix.json").read_text())
    for model, row in text["models"].items():
        for filetype, chosen in row["types"].items():
            for kind, types in chosen.items():
                if kind not in ("plain", "imatrix") or (run.only is not None and run.only not in f"{model} {filetype} {kind}"):
                    continue
                words = ["--dry-run"] + (["--imatrix", f"{model}.imatrix.gguf"] if kind == "imatrix" else [])
                result = run.quantize([*words, f"{model}.gguf", filetype], golden / "gguf/types")
                needy = isinstance(types, dict) or (kind == "plain" and chosen.get("needs_imatrix", False))
                if needy:
                    run.case(f"{model} {filetype} {kind}", refused(run, [*words[1:], f"{model}.gguf"], filetype, result, golden / "gguf/types"))
                    continue
                found = types_of(result.stdout, set(row["tensors"]))
                want = dict(zip(row["tensors"], types))
                wrong = [f"{n}: {found.get(n)}, expected {t}" for n, t in want.items() if found.get(n, "").upper() != t.upper()]
                run.case(f"{model} {filetype} {kind}", result.stderr.strip() if result.returncode != 0 else wrong[0] if wrong else None)


def sums(path):
    """Name -> sha256 of a file of sums."""
    return {name: digest for digest, name in (line.split() for line in path.read_text().splitlines())}


def convert(run, place, *words):
    return subprocess.run([run.repaq, "convert", *map(str, words)], cwd=place, capture_output=True, text=True, check=False).stderr


def sets(run, folder):
    """Shards as llama-gguf-split and llama-quantize --keep-split make them, and the file of a set."""
    want = sums(folder / "split/SHA256SUMS")
    whole = folder / "qwen2-tiny-f16.gguf"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        said = run.quantize(["--keep-split", str(folder / "split/qwen2-tiny-f16-00001-of-00003.gguf"), "qwen2-tiny-Q4_K_M-keepsplit.gguf", "Q4_K_M"], place).stderr
        for shard in sorted(want):
            if "keepsplit" in shard:
                path = place / shard
                run.case(f"split {shard}", None if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == want[shard] else said or "found other bytes")
        for number in (1, 2, 3):
            said = run.quantize([str(folder / f"split/qwen2-tiny-f16-0000{number}-of-00003.gguf"), "whole.gguf", "Q4_K_M"], place).stderr
            same = (place / "whole.gguf").exists() and (place / "whole.gguf").read_bytes() == (folder / "qwen2-tiny-Q4_K_M.gguf").read_bytes()
            run.case(f"shard {number} to one file of Q4_K_M", None if same else said or "found other bytes")
        said = convert(run, place, folder / "split/qwen2-tiny-f16-00002-of-00003.gguf", "one.gguf", "--to", "gguf")
        run.case("split to one file", None if not said and (place / "one.gguf").read_bytes() == whole.read_bytes() else said or "found other bytes")


def byte_orders(run, folder):
    """Files as gguf_convert_endian.py turns them, both ways."""
    want = sums(folder / "big-endian/SHA256SUMS")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for big, digest in want.items():
            little = folder / big.replace(".be.", ".")
            said = convert(run, place, little, big, "--to", "gguf", "--bigendian")
            run.case(f"big endian {big}", said or (None if hashlib.sha256((place / big).read_bytes()).hexdigest() == digest else "found other bytes"))
            said = convert(run, place, big, little.name, "--to", "gguf")
            same = (place / little.name).exists() and (place / little.name).read_bytes() == little.read_bytes()
            run.case(f"little endian {little.name}", None if same else said or "found other bytes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repaq", required=True)
    parser.add_argument("--fixtures")
    parser.add_argument("--golden", default=os.environ.get("REPAQ_GOLDEN"))
    parser.add_argument("--only")
    options = parser.parse_args()
    if options.golden is None or not (Path(options.golden) / "gguf").is_dir():
        print("no golden data: nothing compared\n0 passed, 0 failed")
        return 0
    golden = Path(options.golden).resolve()
    run = Run(str(Path(options.repaq).resolve()), options.only)
    inputs = [p for p in (golden / "gguf").iterdir() if p.is_file()]
    for model in MODELS:
        manifest(run, golden, golden / f"gguf/{model}.manifest.json", inputs)
    for model in TYPES:
        manifest(run, golden, golden / f"gguf/types/{model}.manifest.json", [p for p in (golden / "gguf/types").iterdir() if p.is_file()])
    matrix(run, golden)
    if run.only is None:
        sets(run, golden / "gguf")
        byte_orders(run, golden / "gguf")
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
