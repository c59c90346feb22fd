#!/usr/bin/env python3
"""Broken and hostile checkpoints: each named defect ends with its exit code and a message that names it; every prefix and seeded byte flips of a
small checkpoint end in a clean status. A refused conversion leaves nothing at the destination, no staging, and the input as it was. Runs that are
killed or stopped leave nothing or all of it; threads, memory and locale change no byte.

    run.py --repaq REPAQ [--only TEXT] [--seed N] [--flips N] [--keep]
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import attack_defects  # noqa: F401  registers its cases with defects
import checkpoint
import defects
import determinism
import gguf_copy
import gguf_sets
import gguf_sizes
import gptq_defects
import kills
import modern
import modern_defects  # noqa: F401  likewise
import ms_defects  # noqa: F401  likewise
import torch_defects  # noqa: F401  likewise
import torchsave

ENGINES = ("vllm", "transformers", "gptqmodel", "mindie", "mlx")  # between them every format has one that loads it
TIMEOUT = 10  # seconds a run may take on a checkpoint of some 30 KB
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "NO_COLOR": "1"}


def repaq(options, *arguments, cwd=None):
    run = subprocess.run([options.repaq, *map(str, arguments)], capture_output=True, cwd=cwd, timeout=TIMEOUT, env=ENVIRONMENT)
    return run.returncode, run.stdout.decode("utf-8", "replace") + run.stderr.decode("utf-8", "replace")


def leftovers(folder, allowed):
    return sorted(path.name for path in folder.iterdir() if path.name not in allowed)


def run_defect(options, entry):
    """Returns the faults found, as texts."""
    name, make, code, says, to, more = entry
    place = pathlib.Path(tempfile.mkdtemp(prefix="repaq-malformed-", dir=options.scratch))
    source = place / "source"
    make(source)
    before, siblings = checkpoint.tree_hash(source), {path.name for path in place.iterdir()}
    faults = []
    try:
        found, text = repaq(options, "convert", source, place / "out", "--to", to, "--threads", "2", *more)
    except subprocess.TimeoutExpired:
        return [f"ran for more than {TIMEOUT} s"]
    codes = code if isinstance(code, tuple) else (code,)
    if found not in codes:
        faults.append(f"exit {found}, expected {' or '.join(map(str, codes))}: {text.strip()[:300]}")
    elif found != 0:
        faults += [f"the message lacks \"{piece}\": {text.strip()[:400]}" for piece in says if piece not in text]
        if "repaq: error: " not in text:
            faults.append(f"no error message: {text[:200]}")
    written = leftovers(place, siblings)
    if written != (["out"] if found == 0 else []):
        faults.append(f"left behind: {written}")
    if checkpoint.tree_hash(source) != before:
        faults.append("the input was changed")
    if found == 4 and not more and not faults:
        faults += check_reported(options, source, text)
    if found == 0 and not faults:
        faults += check_accepted(options, source, place / "out", more)
    if not options.keep:
        shutil.rmtree(place)
    return faults


def check_reported(options, source, text):
    """What convert calls broken, check reports of every engine; of codes it looks at none."""
    if "expected one int4 a byte" in text:
        return []
    faults = []
    for engine in ENGINES:
        code, said = repaq(options, "check", source, "--for", engine)
        if code not in (1, 4):
            faults.append(f"check --for {engine} says exit {code}: {said.strip()[:300]}")
    return faults


def check_accepted(options, source, out, more):
    """What was accepted must hold the source's values, by the source's own reading. A forced reading has no counterpart in verify: there the
    zeros must be those that the defect's row says."""
    if "--gptq-zeros" in more and more[more.index("--gptq-zeros") + 1] in gptq_defects.AMBIGUOUS_ZEROS and "--from" not in more:
        zeros = checkpoint.gptq_zeros(out / "model.safetensors", defects.UP)
        wanted = gptq_defects.AMBIGUOUS_ZEROS[more[more.index("--gptq-zeros") + 1]]
        return [] if zeros[0][:8] == wanted else [f"the first zeros are {zeros[0][:8]}, expected {wanted}"]
    if "--from" in more:
        return []
    code, text = repaq(options, "verify", source, out)
    return [] if code == 0 else [f"verify says exit {code}: {text.strip()[:300]}"]


# --- prefixes and flips -----------------------------------------------------------------------------------------------------------


class Generator:
    """splitmix64: the same sequence in every Python."""

    def __init__(self, seed):
        self.state = seed

    def next(self, bound):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)) % bound


SMALL = (("model.layers.0.mlp.up_proj", 8, 32),)


def small_floats():
    return {"model.norm.weight": ["F16", [8], bytearray(16)]}


def make_small(kind, folder):
    table = checkpoint.weights(linears=SMALL, group=16, zeros="asym")
    keep, checkpoint.floats = checkpoint.floats, lambda *_: small_floats()
    modern.floats = checkpoint.floats
    try:
        if kind == "torch-zip":
            torchsave.make_zip(folder, torchsave.state(torchsave.tensor(), torchsave.tensor(shape=(4, 3), stride=(1, 4))))
        elif kind == "torch-stream":
            torchsave.make_stream(folder)
        elif kind == "gptq":
            checkpoint.make_gptq(folder, table, sym=False, group=16)
        elif kind == "awq":
            checkpoint.make_awq(folder, table, group=16)
        elif kind in MODERN:
            MODERN[kind](folder)
        else:
            checkpoint.make_msmodelslim(folder, table, packed=kind == "msmodelslim-packed")
    finally:
        checkpoint.floats = modern.floats = keep


def small(bits=4, group=16, zeros="asym"):
    table = checkpoint.weights(linears=SMALL, group=group, bits=bits, zeros=zeros)
    table[SMALL[0][0]].group_of = [k % 2 for k in range(32)]
    return table


MODERN = {"ct": lambda folder: modern.make_ct(folder, small(), True, 16), "ct-3-bit": lambda folder: modern.make_ct(folder, small(3), True, 16, True, True),
          "ct-int8": lambda folder: modern.make_ct_int8(folder, small(8, -1, "sym"), True), "mlx": lambda folder: modern.make_mlx(folder, small(5, 32), 32),
          "w8a8": lambda folder: modern.make_ms_static(folder, small(8, -1, "sym"))}
WIDE = (("model.layers.0.mlp.up_proj", 8, 64),)
MODERN.update({kind: lambda folder, make=make: make(folder, checkpoint.weights(linears=WIDE, zeros="asym"))
               for kind, make in (("gemv", checkpoint.make_gemv), ("gemv-fast", checkpoint.make_gemv_fast))})
KINDS = ("gptq", "awq", "msmodelslim", "msmodelslim-packed", *MODERN, "torch-zip", "torch-stream")
TARGETS = ("awq", "gptq_v2", "hf", "gptq", "compressed-tensors", "mlx", "msmodelslim")


def header_bytes(data):
    return 8 + int.from_bytes(data[:8], "little") if len(data) > 8 else len(data)


def damaged_runs(kind, base, options):
    """(title, file, damaged bytes): every prefix of texts and headers, sampled ones beyond, and seeded flips of all files."""
    for path in sorted(base.iterdir()):
        data = path.read_bytes()
        dense = header_bytes(data) if path.suffix == ".safetensors" else len(data)
        step = 1 if options.all_prefixes else max(1, dense // 60)
        lengths = set(range(0, min(40, dense))) | set(range(0, dense, step)) | set(range(dense, len(data), max(1, (len(data) - dense) // 8)))
        for length in sorted(lengths):
            yield f"prefix {kind}/{path.name} {length}", path.name, data[:length]
    files = sorted(base.iterdir())
    for index in range(options.flips):
        seed = options.seed * 1_000_003 + index * 7919 + KINDS.index(kind)
        generator = Generator(seed)
        path = files[generator.next(len(files))]
        data = bytearray(path.read_bytes())
        limit = header_bytes(data) if path.suffix == ".safetensors" and generator.next(4) != 0 else len(data)
        for _ in range(1 + generator.next(3)):
            at = generator.next(limit)
            data[at] = generator.next(256) if generator.next(2) else data[at] ^ 1 << generator.next(8)
        yield f"flip {kind}/{path.name} seed {seed}", path.name, bytes(data)


def run_damaged(options, kind, base, item, number):
    title, file, data = item
    place = pathlib.Path(options.scratch) / f"{kind}-{number}"
    source = place / "source"
    source.mkdir(parents=True)
    for path in base.iterdir():
        if path.name == file:
            (source / file).write_bytes(data)
        else:
            os.link(path, source / path.name)
    faults = []
    commands = [("convert", source, place / "out", "--to", TARGETS[number % len(TARGETS)], "--threads", "2")]
    if number % 3 == 0:
        commands.append(("inspect", "--tensors", "--hash", source))
    for command in commands:
        try:
            code, text = repaq(options, *command)
        except subprocess.TimeoutExpired:
            faults.append(f"{command[0]} ran for more than {TIMEOUT} s")
            continue
        if not 0 <= code <= 7 or "Sanitizer" in text or "runtime error" in text:
            faults.append(f"{command[0]} ended with {code}: {text.strip()[-300:]}")
        elif code not in (0, 1) and "repaq: error: " not in text:
            faults.append(f"{command[0]} says nothing about exit {code}")
        left = leftovers(place, {"source"})
        if left != (["out"] if code == 0 and command[0] == "convert" or (place / "out").exists() and command[0] == "inspect" else []):
            faults.append(f"{command[0]}, exit {code}: left behind {left}")
    if not options.keep:
        shutil.rmtree(place)
    return title, faults


def run_all_damaged(options):
    """One line a kind: thousands of single lines would hide the failures."""
    passed = failed = 0
    for kind in KINDS:
        base = pathlib.Path(options.scratch) / f"base-{kind}"
        make_small(kind, base)
        before = checkpoint.tree_hash(base)
        items = [item for item in damaged_runs(kind, base, options) if options.only in item[0]]
        with ThreadPoolExecutor(max_workers=4) as pool:
            results = list(pool.map(lambda pair: run_damaged(options, kind, base, pair[1], pair[0]), enumerate(items)))
        bad = [(title, faults) for title, faults in results if faults]
        for title, faults in bad:
            print(f"FAIL {title}: {'; '.join(faults)}")
        if checkpoint.tree_hash(base) != before:
            bad.append((kind, ["the input was changed"]))
            print(f"FAIL {kind}: the input was changed")
        print(f"{'FAIL' if bad else 'ok  '} {kind}: {len(items)} prefixes and flips, {len(bad)} failed")
        passed += len(items) - len(bad)
        failed += len(bad)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repaq", required=True, type=os.path.abspath)
    parser.add_argument("--fixtures", help="not used: every checkpoint is made here")
    parser.add_argument("--only", default="", help="run the cases whose name contains this; kills, determinism, gguf-copy, gguf-sets and gguf-sizes are names too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flips", type=int, default=150, help="byte flips for each of the formats")
    parser.add_argument("--all-prefixes", action="store_true", help="every length, not a sample of them")
    parser.add_argument("--keep", action="store_true", help="keep the scratch directory")
    options = parser.parse_args()
    options.scratch = tempfile.mkdtemp(prefix="repaq-malformed-")
    passed = failed = 0
    names = [entry[0] for entry in defects.CASES]
    assert len(names) == len(set(names)), "two cases of one name"
    for entry in defects.CASES:
        if options.only not in entry[0]:
            continue
        faults = run_defect(options, entry)
        print(f"{'FAIL' if faults else 'ok  '} {entry[0]}{': ' if faults else ''}{'; '.join(faults)}", flush=True)
        passed += not faults
        failed += bool(faults)
    for name, cases in (("kills", lambda: kills.cases(options.repaq, options.scratch, options.seed)),
                        ("determinism", lambda: determinism.cases(options.repaq, options.scratch)),
                        ("gguf-copy", lambda: gguf_copy.cases(options.repaq, options.scratch)),
                        ("gguf-sets", lambda: gguf_sets.cases(options.repaq, options.scratch)),
                        ("gguf-sizes", lambda: gguf_sizes.cases(options.repaq, options.scratch))):
        if options.only and options.only != name:
            continue
        for title, faults in cases():
            print(f"{'FAIL' if faults else 'ok  '} {name}: {title}{': ' if faults else ''}{'; '.join(faults)}", flush=True)
            passed += not faults
            failed += bool(faults)
    more_passed, more_failed = run_all_damaged(options)
    if options.keep:
        print(f"kept {options.scratch}")
    else:
        shutil.rmtree(options.scratch)
    print(f"{passed + more_passed} passed, {failed + more_failed} failed")
    return 1 if failed + more_failed else 0


if __name__ == "__main__":
    sys.exit(main())
