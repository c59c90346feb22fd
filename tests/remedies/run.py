#!/usr/bin/env python3
"""Remedies are true: every command that `check` offers is run and ends with a checkpoint that the engine accepts; every option that a refusal of
`convert` offers is tried, and takes the weight that was refused.

    run.py --repaq REPAQ --fixtures DIR [--only TEXT]
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "malformed"))
import checkpoint  # noqa: E402
import ggufmodel  # noqa: E402
import modern  # noqa: E402

ENGINES = "vllm sglang transformers autoawq gptqmodel autogptq llama.cpp ollama vllm-ascend mindie mlx lmdeploy".split()
TARGETS = "hf msmodelslim awq gptq gptq_v2 compressed-tensors mlx".split()
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "NO_COLOR": "1", "REPAQ_THREADS": "2"}


def repaq(options, *arguments):
    run = subprocess.run([options.repaq, *map(str, arguments)], capture_output=True, env=ENVIRONMENT, timeout=60)
    return run.returncode, run.stdout.decode(), run.stderr.decode()


def ordered(folder):
    table = checkpoint.weights()
    for weight in table.values():
        weight.group_of = [(k * 7) % weight.inner // 32 for k in range(weight.inner)]
    checkpoint.make_gptq(folder, table, desc_act=True)


def generated(place):
    """Checkpoints with what the fixtures lack."""
    odd = (("model.layers.0.mlp.up_proj", 36, 60), ("model.layers.0.mlp.down_proj", 60, 36))
    cases = {
        "gptq-asym": lambda folder: checkpoint.make_gptq(folder, checkpoint.weights(zeros="asym"), sym=False),
        "gptq-order": ordered,
        "gptq-8": lambda folder: checkpoint.make_gptq(folder, checkpoint.weights(bits=8)),
        "gptq-2": lambda folder: checkpoint.make_gptq(folder, checkpoint.weights(bits=2)),
        "gptq-channel": lambda folder: checkpoint.make_gptq(folder, checkpoint.weights(group=-1), group=-1),
        "awq-16": lambda folder: checkpoint.make_awq(folder, checkpoint.weights(group=16), group=16),
        "ct-asym": lambda folder: modern.make_ct(folder, checkpoint.weights(zeros="asym"), True),
        "ct-5": lambda folder: modern.make_ct(folder, checkpoint.weights(bits=5)),
        "ct-odd": lambda folder: modern.make_ct(folder, checkpoint.weights(linears=odd)),
        "ct-w8a8": lambda folder: modern.make_ct_int8(folder, checkpoint.weights(bits=8, group=-1)),
        "ct-w8a8-static": lambda folder: modern.make_ct_int8(folder, checkpoint.weights(bits=8, group=-1), static=True),
        "mlx-asym": lambda folder: modern.make_mlx(folder, checkpoint.weights(zeros="asym")),
    }
    for name, make in cases.items():
        make(place / name)
        yield name, relabelled(place / name)


def gguf(place):
    """GGUF files: floats, blocks whose codes are kept, gaps between tensors, a tensor of another family, big endian, a set."""
    pairs, tensors = ggufmodel.model("llama")
    blocks = {name: ggufmodel.tensor(value[0], ggufmodel.Q8_0 if ".ffn_" in name and len(value[0]) == 2 else None) for name, value in tensors.items()}
    ggufmodel.write(place / "gguf" / "floats.gguf", pairs, tensors)
    ggufmodel.write(place / "gguf" / "blocks.gguf", pairs, blocks)
    ggufmodel.write(place / "gguf" / "gap.gguf", pairs, blocks, gap=64)
    ggufmodel.write(place / "gguf" / "old.gguf", pairs, tensors, version=2)
    ggufmodel.write(place / "gguf" / "foreign.gguf", pairs, {**blocks, "blk.0.attn_sinks.weight": ggufmodel.tensor([32])})
    ggufmodel.write(place / "gguf" / "big.gguf", pairs, blocks, big=True)
    ggufmodel.write_set(place / "gguf-set", *ggufmodel.model("qwen2"))
    yield from ((path.stem, path) for path in sorted((place / "gguf").iterdir()))
    yield "gguf-set", place / "gguf-set" / "m-00001-of-00002.gguf"


def relabelled(folder):
    """Of a family that check does not know: these have not all its layers."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(dict(config, model_type="other")))
    return folder


def sources(options, place):
    shutil.copytree(options.fixtures / "hf" / "tiny-float-sharded", place / "hf" / "float")
    yield "float", relabelled(place / "hf" / "float")
    for path in sorted(options.fixtures.glob("*/*/")):
        if not path.name.startswith("synth-") and path.parent.name not in ("hf", "gguf"):
            yield path.name, path
    yield from generated(place)
    yield from gguf(place)


# --- check ----------------------------------------------------------------------------------------------------------------------


def check_remedies(options, name, source, engine, place):
    """(remedy, fault or None) for each command that check offers."""
    code, text, error = repaq(options, "check", source, "--for", engine, "--json")
    if code not in (0, 1):
        yield "check", f"exit {code}: {error.strip()[:300]}"
        return
    report = json.loads(text)
    remedies = {finding["try"]: finding["rule"] for finding in report["findings"] if finding["try"] and finding["try"].startswith("repaq convert SRC DST")}
    for remedy, rule in remedies.items():
        if "REGEX" in remedy or "field-mod" in remedy:
            continue
        out = place / "out"
        words = shlex.split(remedy.replace(" (lossy)", ""))[1:]
        words = [str(source) if word == "SRC" else str(out) if word == "DST" else word for word in words]
        code, _, error = repaq(options, *words, *base_of(source, options))
        if code != 0:
            yield f"{rule}: {remedy}", f"exit {code}: {error.strip()[:300]}"
            continue
        code, text, _ = repaq(options, "check", out, "--for", engine)
        shutil.rmtree(out) if out.is_dir() else out.unlink()
        yield f"{rule}: {remedy}", None if code == 0 else f"the engine refuses the result: {text.strip()[:300]}"


def base_of(source, options):
    return () if source.suffix == ".gguf" or (source / "config.json").exists() else ("--base", options.fixtures / "hf" / "tiny-float-sharded")


# --- convert --------------------------------------------------------------------------------------------------------------------


def offers(remedy):
    """The options that a remedy names, as lists of words."""
    for match in re.finditer(r"--to ([a-z_0-9-]+(?:, (?!or )[a-z][a-z_0-9-]*)*(?: or [a-z][a-z_0-9-]*)?)( --bits \d)?", remedy):
        for target in re.split(r", | or ", match[1]):
            yield ["--to", target, *(match[2] or "").split()]
    rest = re.sub(r"--to [a-z_0-9-]+ --bits \d", "", remedy)
    for match in re.finditer(r"--(bits|group-size) (-?\d+)", rest):
        yield [f"--{match[1]}", match[2]]
    if "--dtype f32 " in remedy or remedy.endswith("--dtype f32"):
        yield ["--dtype", "f32"]
    both = "--allow-requantize --weights-only"
    for flags in (both, "--weights-only", "--allow-requantize"):
        if flags in remedy and (flags == both or both not in remedy):
            yield flags.split()


def convert(options, source, target, more):
    code, _, error = repaq(options, "convert", source, source.parent / "absent-out", "--to", target, "--dry-run",
                           *base_of(source, options), *more)
    where = re.search(r"repaq: error: ([^:]*):", error)
    remedy = re.search(r"^  try: (.*)$", error, re.M)
    return code, where[1] if where else "", remedy[1] if remedy else "", error.strip()


def convert_remedies(options, source, target, more):
    code, where, remedy, error = convert(options, source, target, more)
    if code in (0, 5) and not remedy.startswith("--to "):  # nothing is offered where a format or an engine is not
        return
    if code not in (0, 5, 6):
        yield "convert", f"exit {code}: {error[:300]}"
        return
    if remedy == "":
        yield "convert", f"no remedy: {error[:300]}"
        return
    for offer in offers(remedy):
        to = offer[1] if offer[0] == "--to" else target
        rest = offer[2:] if offer[0] == "--to" else offer
        pairs = [more[at:at + 2] for at in range(0, len(more), 2) if more[at] not in rest]  # an option that is named takes the place of the given one
        code, other, _, again = convert(options, source, to, [*(word for pair in pairs for word in pair), *rest])
        another = other != where or (offer[0] != "--to" and again.splitlines()[0] != error.splitlines()[0])  # the next fault, with a remedy of its own
        fault = None if code == 0 or (code in (5, 6) and another) else f"exit {code}: {again[:300]} (offered by {error[:300]})"
        yield f"{' '.join(offer)}", fault


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repaq", required=True, type=os.path.abspath)
    parser.add_argument("--fixtures", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--only", default="", help="run the sources whose name contains this")
    options = parser.parse_args()
    passed = failed = 0
    place = pathlib.Path(tempfile.mkdtemp(prefix="repaq-remedies-"))
    for name, source in sources(options, place):
        if options.only not in name:
            continue
        cases = [(f"check --for {engine}", check_remedies(options, name, source, engine, place)) for engine in ENGINES]
        for target in TARGETS:
            cases.append((f"convert --to {target}", convert_remedies(options, source, target, [])))
            if source.parent.name == "hf" and target != "hf":
                cases += [(f"convert --to {target} --bits {bits} {asym}", convert_remedies(options, source, target, [*asym.split(), "--bits", bits]))
                          for bits in "4567" for asym in ("", "--asym")]
            for engine in ENGINES:
                bits = ["--bits", "4"] if source.parent.name == "hf" and target != "hf" else []
                cases.append((f"convert --to {target} --for {engine}", convert_remedies(options, source, target, [*bits, "--for", engine])))
        for what, results in cases:
            for remedy, fault in results:
                passed += fault is None
                failed += fault is not None
                if fault:
                    print(f"FAIL {name}: {what}: {remedy}\n     {fault}", flush=True)
        print(f"ok   {name}" if not failed else f"     {name}", flush=True)
    shutil.rmtree(place)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
