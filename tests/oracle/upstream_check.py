#!/usr/bin/env python3
"""upstream_check.py --repaq BINARY --programs DIR [--only TEXT] [--models DIR] --log FILE: whether `repaq check --for llama.cpp` says of a GGUF file what llama.cpp does.

Small models of every family are changed in one place each: a key or tensor is left out, has another type, number or shape, or is one too many. llama-perplexity
of DIR either runs the file or does not, and the check must agree. Ends with "N passed, N failed, N skipped"."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "malformed"))
import ggufmodel  # noqa: E402

TEXT = "hello world abc " * 30
EXTRA = ("blk.0.attn_q_norm", "blk.0.attn_qkv", "blk.0.other", "blk.7.attn_q", "rope_freqs", "rope_factors_long", "blk.0.ffn_gate_inp")


def without(table, key):
    return {name: value for name, value in table.items() if name != key}


def changed_pairs(pairs):
    for key, (kind, value) in pairs.items():
        if key == "general.type":
            continue  # llama.cpp does not look at it
        yield f"without {key}", without(pairs, key)
        if isinstance(value, list):
            yield f"{key} one short", pairs | {key: (kind, value[:-1])}
            yield f"{key} empty", pairs | {key: (kind, [])}
            if kind == "str" and len(value) > 1:
                yield f"{key} with a twin", pairs | {key: (kind, [value[1], *value[1:]])}
        elif kind == "u32":
            yield from ((f"{key} of {other}", pairs | {key: (other, str(value) if other == "str" else value)}) for other in ("u64", "i32", "str"))
            yield f"{key} for each layer", pairs | {key: (kind, [value] * ggufmodel.LAYERS)}
            yield from ((f"{key} {number}", pairs | {key: (kind, number)}) for number in (0, value + 1, 2 * value))
        elif kind == "f32":
            yield f"{key} of f64", pairs | {key: ("f64", value)}
        else:
            yield f"{key} other", pairs | {key: (kind, "nobodys")}
            yield f"{key} of u32", pairs | {key: ("u32", 1)}


def changed_tensors(tensors):
    for name, (dims, _, _) in tensors.items():
        if name.startswith("blk.1."):
            continue
        yield f"without {name}", without(tensors, name)
        for at in range(len(dims)):
            yield f"{name} wider in {at}", tensors | {name: ggufmodel.tensor(dims[:at] + (dims[at] + 32,) + dims[at + 1:])}
        if len(dims) == 1:
            yield f"{name} of F16", tensors | {name: ggufmodel.tensor(dims, ggufmodel.F16)}
        if len(dims) < 3:
            yield f"bias of {name}", tensors | {name.replace(".weight", ".bias"): ggufmodel.tensor(dims[-1:])}
    for name in EXTRA:
        yield f"also {name}", {f"{name}.weight": ggufmodel.tensor((8,) if "rope" in name else (64,))} | tensors


def cases():
    for family in ggufmodel.FAMILIES:
        pairs, tensors = ggufmodel.model(family)
        yield f"{family}: as it is", pairs, tensors
        yield from ((f"{family}: {name}", other, tensors) for name, other in changed_pairs(pairs))
        yield from ((f"{family}: {name}", pairs, other) for name, other in changed_tensors(tensors))


def runs(command):
    try:
        found = subprocess.run(command, capture_output=True, env=dict(os.environ, GGML_NO_BACKTRACE="1"), timeout=60, errors="replace", text=True)
    except subprocess.TimeoutExpired:
        return False, "it does not end"
    return found.returncode == 0, found.stdout + found.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repaq", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--models", default="")
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    program = pathlib.Path(options.programs) / "llama-perplexity"
    count = [0, 0]
    with tempfile.TemporaryDirectory(prefix="repaq-check-") as folder, open(options.log, "w", encoding="utf-8") as log:
        path, text = pathlib.Path(folder) / "m.gguf", pathlib.Path(folder) / "text"
        text.write_text(TEXT)
        for name, pairs, tensors in cases():
            if options.only not in name:
                continue
            ggufmodel.write(path, pairs, tensors)
            loads, said = runs([program, "-m", path, "-f", text, "-c", "16", "-b", "16", "-t", "1"])
            accepts, found = runs([options.repaq, "check", path, "--for", "llama.cpp"])
            count[loads != accepts] += 1
            log.write(f"{'ok  ' if loads == accepts else 'FAIL'} {name}: {'runs' if loads else 'refused'}\n{found}")
            if loads != accepts:
                print(f"FAIL {name}: llama.cpp {'runs it' if loads else 'does not: ' + said[-300:]}; check: {found.strip()[:300]}", flush=True)
    print(f"{'FAIL' if count[1] else 'ok  '} check of GGUF files says what llama.cpp does\n{count[0]} passed, {count[1]} failed, 0 skipped")
    return 1 if count[1] else 0


if __name__ == "__main__":
    sys.exit(main())
