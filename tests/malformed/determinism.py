"""The same bytes for any number of threads, any memory and any locale."""
import os
import pathlib
import shutil
import subprocess

import checkpoint

MEGABYTES = 40
RUNS = (("1", "256MiB", "C"), ("2", "256MiB", "C"), ("8", "256MiB", "C"), ("1", "64MiB", "C"), ("8", "64MiB", "C"), ("2", "1GiB", None))


def other_locale():
    """One in which a comma is the decimal point, if there is such a one; else any other."""
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split() if shutil.which("locale") else []
    for wish in ("de_DE", "fr_FR", "tr_TR", "C.utf8", "C.UTF-8"):
        for name in listed:
            if name.startswith(wish):
                return name
    return "de_DE.UTF-8"


def convert(repaq, source, out, target, run, more=()):
    threads, memory, locale = run
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": locale or other_locale()}
    run = subprocess.run([repaq, "convert", str(source), str(out), "--to", target, "--threads", threads, "--memory", memory, *more],
                         capture_output=True, text=True, env=environment, timeout=120)
    return [] if run.returncode == 0 else [f"exit {run.returncode}: {run.stderr.strip()[:300]}"]


def compare(repaq, place, source, target, more=(), runs=RUNS):
    first = None
    for run in runs:
        out = place / "out"
        faults = convert(repaq, source, out, target, run, more)
        if faults:
            return [f"{run}: {faults[0]}"]
        found = checkpoint.tree_hash(out)
        shutil.rmtree(out)
        if first is None:
            first = found
        elif found != first:
            return [f"--threads {run[0]} --memory {run[1]} in locale {run[2] or other_locale()} writes other bytes than {RUNS[0]}"]
    return []


def cases(repaq, scratch):
    place = pathlib.Path(scratch) / "determinism"
    source = place / "source"
    place.mkdir()
    checkpoint.make_large(source, MEGABYTES, wide=True)
    for target, more in (("awq", ()), ("gptq_v2", ("--max-shard-size", "7MB")), ("gptq", ("--bits", "8", "--dtype", "bf16"))):
        yield f"same-bytes-{target}", compare(repaq, place, source, target, more) if target != "gptq" else compare_v1(repaq, place, source, more)
    # A source that was written by one of these runs, read by the other layout.
    awq = place / "awq"
    faults = convert(repaq, source, awq, "awq", RUNS[0])
    yield "same-bytes-awq-to-gptq_v2", faults or compare(repaq, place, awq, "gptq_v2")
    yield from newer(repaq, place)
    shutil.rmtree(place)


def newer(repaq, place):
    """From compressed-tensors into MLX, msModelSlim and floats, and from MLX into floats."""
    source, few = place / "symmetric", (RUNS[0], RUNS[4], RUNS[5])
    checkpoint.make_large(source, MEGABYTES, wide=True, symmetric=True)
    yield "same-bytes-5-bit-compressed-tensors", compare(repaq, place, source, "compressed-tensors", ("--bits", "5"), few)
    for format_, targets in (("compressed-tensors", (("mlx", ()), ("msmodelslim", ("--group-size", "64", "--layout", "unpacked")), ("hf", ()))),
                             ("mlx", (("hf", ("--dtype", "bf16")),))):
        written = place / format_
        faults = convert(repaq, source, written, format_, RUNS[0])
        for target, more in targets:
            yield f"same-bytes-{format_}-to-{target}", faults or compare(repaq, place, written, target, more, few)


def compare_v1(repaq, place, source, more):
    """v1 has no zero of 0: the offsets of -8 go first."""
    changed = place / "source-v1"
    if not changed.exists():
        shutil.copytree(source, changed)
        path = changed / checkpoint.MS_WEIGHTS
        tensors = checkpoint.read_tensors(path)
        for name, tensor in tensors.items():
            if name.endswith(".weight_offset"):
                tensor[2] = bytearray(bytes(tensor[2]).replace(b"\x00\x00\x00\xc1", b"\x00\x00\xe0\xc0"))
        checkpoint.write_tensors(path, tensors)
    return compare(repaq, place, changed, "gptq", more)
