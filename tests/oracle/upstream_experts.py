"""`repaq llama-quantize` against llama-quantize, whole files byte for byte: stacks of experts in every mix, and names of shards.

The models are made here (tests/malformed/ggufmodel.py), so wide that super-blocks fit; their importance matrices have a row for each expert."""
import filecmp
import os
import pathlib
import random
import shutil
import struct
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "malformed"))

import ggufmodel  # noqa: E402
import upstream_quantize

FAMILIES = {"mixtral": 8, "qwen2moe": 3, "qwen3moe": 4}
NAMES = ("o", "o.gguf", "o.gguf.gguf", "o.gguf.bin", "o.bin", ".gguf", "a.gguf.b/o.gguf")


def wide(family, experts):
    """Sizes are the module's: they are what they were behind it."""
    sizes = {"EMBED": 256, "WIDE": 256, "HEAD": 64, "SHARED": 256, "EXPERTS": experts}
    before = {name: getattr(ggufmodel, name) for name in sizes}
    vars(ggufmodel).update(sizes)
    try:
        return ggufmodel.model(family)
    finally:
        vars(ggufmodel).update(before)


def write_matrix(path, tensors):
    draw = random.Random(7)
    entries = []
    for name, (dims, _, _) in tensors.items():
        values = dims[0] * (dims[2] if len(dims) > 2 else 1)
        if len(dims) > 1:
            raw = name.encode()
            entries.append(struct.pack("<i", len(raw)) + raw + struct.pack("<ii%df" % values, 3, values, *(draw.uniform(0.01, 4) for _ in range(values))))
    path.write_bytes(struct.pack("<i", len(entries)) + b"".join(entries) + struct.pack("<ii4s", 20, 4, b"text"))


def mixes(run, family, experts):
    if run.only and not run.only.startswith(family):
        return
    place = pathlib.Path(run.scratch, family)
    shutil.rmtree(place, ignore_errors=True)
    pairs, tensors = wide(family, experts)
    ggufmodel.write(place / "m.gguf", pairs, tensors)
    write_matrix(place / "m.dat", tensors)
    for kind in upstream_quantize.PLAIN + upstream_quantize.NEEDY:
        run.sometimes("%s %s" % (family, kind), str(place), ["m.gguf", "OUT", kind, "2"])
        run.sometimes("%s %s by imatrix" % (family, kind), str(place), ["--imatrix", "m.dat", "m.gguf", "OUT", kind, "2"])
    shutil.rmtree(place)


def shards(run, golden):
    """Both programs in a folder of their own; what they leave there."""
    if run.only and not "names of shards".startswith(run.only):
        return
    source = os.path.join(golden, "gguf", "split")
    for name in NAMES:
        left = []
        for program in ("theirs", "ours"):
            place = os.path.join(run.scratch, "shards-" + program)
            shutil.rmtree(place, ignore_errors=True)
            os.makedirs(os.path.join(place, "a.gguf.b"))
            for part in (1, 2, 3):
                file = "qwen2-tiny-f16-0000%d-of-00003.gguf" % part
                os.symlink(os.path.join(source, file), os.path.join(place, file))
            words = ["--keep-split", "qwen2-tiny-f16-00001-of-00003.gguf", name, "Q8_0"]
            done = run.program("llama-quantize", words, place) if program == "theirs" else run.ours(words, place)
            left.append((done.returncode == 0, {str(path.relative_to(place)) for path in pathlib.Path(place).rglob("*.gguf")} if done.returncode == 0 else set()))
        theirs, ours = (os.path.join(run.scratch, "shards-" + program) for program in ("theirs", "ours"))
        if "/" in name:  # upstream cuts the folder's name as well
            run.say("names of shards " + name, [] if left[1][0] and "a.gguf.b/o-00001-of-00003.gguf" in left[1][1] else ["not in the folder"])
        elif left[0] != left[1]:
            run.say("names of shards " + name, ["%s, expected %s" % (left[1], left[0])])
        else:
            wrong = [path for path in left[0][1] if not filecmp.cmp(os.path.join(theirs, path), os.path.join(ours, path), shallow=False)]
            run.say("names of shards " + name, ["other bytes: " + path for path in wrong])


def cases(run, options):
    return [(family, lambda family=family: mixes(run, family, FAMILIES[family])) for family in FAMILIES] + [("shards", lambda: shards(run, options.golden))]
