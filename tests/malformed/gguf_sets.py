"""GGUF in several files: sets that are whole from any shard, sets that contradict themselves, what is in the way of a set that is written, and the other byte
order."""
import pathlib
import shutil
import subprocess

import ggufmodel

COUNT = 3


def name(number, count=COUNT, stem="m"):
    return f"{stem}-{number:05d}-of-{count:05d}.gguf"


def keys(number, count=COUNT, tensors=0, **odd):
    return {"split.no": ("u16", number), "split.count": ("u16", count), "split.tensors.count": ("i32", tensors)} | {
        key.replace("_", "."): value for key, value in odd.items()}


class Set:
    """A model in shards, changed before it is written."""

    def __init__(self):
        self.pairs, tensors = ggufmodel.model("llama")
        self.total = len(tensors)
        names = list(tensors)
        self.part = [{n: tensors[n] for n in names[len(names) * i // COUNT:len(names) * (i + 1) // COUNT]} for i in range(COUNT)]
        self.keys = [keys(i, tensors=self.total) for i in range(COUNT)]
        self.more = [{} for _ in range(COUNT)]
        self.big = [False] * COUNT
        self.name = [name(i + 1) for i in range(COUNT)]

    def all(self, key, value):
        for pairs in self.keys:
            pairs[key] = value
        return self

    def write(self, place):
        for i in range(COUNT):
            ggufmodel.write(place / self.name[i], (self.pairs if i == 0 else {}) | self.keys[i] | self.more[i], self.part[i], big=self.big[i])


def changed(change):
    def make(place):
        shards = Set()
        change(shards)
        shards.write(place)
    return make


def twice(shards):
    tensor = next(iter(shards.part[0]))
    last = list(shards.part[2])[-1]
    shards.part[2] = {n: t for n, t in shards.part[2].items() if n != last} | {tensor: shards.part[0][tensor]}


def renamed(shards, names):
    shards.name = names


def removed(number):
    def make(place):
        Set().write(place)
        (place / name(number)).unlink()
    return make


def cut(place):
    Set().write(place)
    path = place / name(3)
    path.write_bytes(path.read_bytes()[:-100])


def folder(place):
    Set().write(place)
    (place / name(2)).unlink()
    (place / name(2)).mkdir()


def two_sets(place):
    Set().write(place)
    for number in range(1, COUNT + 1):
        shutil.copy(place / name(number), place / name(number, stem="n"))


# name, what is made, file or folder that is read, exit code, pieces of the message
CASES = (
    ("a shard is missing", removed(2), name(1), 4, (name(2), "shard 2 of 3", "R-INCOMPLETE", "download")),
    ("the first shard is missing", removed(1), name(3), 4, (name(1), "shard 1 of 3", "R-INCOMPLETE")),
    ("a folder without its first shard", removed(1), "", 4, (name(1), "R-INCOMPLETE")),
    ("a folder in place of a shard", folder, name(1), 3, (name(2),)),
    ("a shard that is cut off", cut, name(1), 4, (name(3),)),
    ("two sets in a folder", two_sets, "", 5, ("6 GGUF files", "name the file")),
    ("65535 shards by the keys", changed(lambda s: s.all("split.count", ("u16", 65535))), name(1), 4, ("shard 1 of 65535", "-00001-of-65535.gguf")),
    ("65535 shards by keys and names", changed(lambda s: renamed(s.all("split.count", ("u16", 65535)), [name(n, 65535) for n in (1, 2, 3)])), name(1, 65535), 4,
     ("shard 4 of 65535", "R-INCOMPLETE")),
    ("a count of 32 bits", changed(lambda s: s.all("split.count", ("u32", 3))), name(1), 4, ("split.count", "expected u16")),
    ("a number as text", changed(lambda s: s.keys[1].update({"split.no": ("str", "1")})), name(1), 4, (name(2), "split.no", "expected u16")),
    ("a number without a count", changed(lambda s: s.keys[1].pop("split.count")), name(1), 4, (name(2),)),
    ("no number of tensors", changed(lambda s: s.keys[0].pop("split.tensors.count")), name(1), 4, ("split.tensors.count",)),
    ("two second shards", changed(lambda s: s.keys[2].update({"split.no": ("u16", 1)})), name(1), 4, (name(3), "shard 2 of 3")),
    ("a number past the count", changed(lambda s: s.keys[2].update({"split.no": ("u16", 9)})), name(3), 4, (name(3), "shard 10 of 3")),
    ("shards in each other's place", changed(lambda s: renamed(s, [name(1), name(3), name(2)])), name(1), 4, ("by its keys",)),
    ("a shard of a larger set", changed(lambda s: s.keys[2].update({"split.count": ("u16", 4)})), name(1), 4, (name(3), "3 of 4")),
    ("too few tensors", changed(lambda s: s.all("split.tensors.count", ("i32", s.total + 1))), name(2), 4, ("split.tensors.count", "R-INCOMPLETE")),
    ("less than no tensors", changed(lambda s: s.all("split.tensors.count", ("i32", -1))), name(2), 4, ("-1",)),
    ("tensors that shards do not agree on", changed(lambda s: s.keys[1].update({"split.tensors.count": ("i32", 5)})), name(1), 4, (name(2),)),
    ("a tensor in two shards", changed(twice), name(1), 4, (name(3), "token_embd.weight", "shard 1")),
    ("a shard of the other byte order", changed(lambda s: s.big.__setitem__(2, True)), name(1), 4, (name(3), "byte order")),
    ("metadata in a later shard", changed(lambda s: s.more[1].update({"general.name": ("str", "x")})), name(1), 0, ("later shards",)),
    ("a whole set of the other byte order", changed(lambda s: setattr(s, "big", [True] * 3)), name(2), 0, ("big endian",)),
    ("a whole set", changed(lambda s: None), "", 0, ()),
)


def run(repaq, place, *words):
    found = subprocess.run([repaq, *map(str, words)], cwd=place, capture_output=True, timeout=20, env={"LC_ALL": "C"})
    return found.returncode, found.stdout.decode("utf-8", "replace") + found.stderr.decode("utf-8", "replace")


def judge(repaq, place, case):
    """Into GGUF and into Hugging Face's; what is taken equals the model in one file."""
    title, make, which, code, pieces = case
    make(place / "in")
    ggufmodel.write(place / "whole.gguf", *ggufmodel.model("llama"))
    faults = []
    for to, out in (("gguf", "out.gguf"), ("hf", "out")):
        found, text = run(repaq, place, "convert", f"in/{which}", out, "--to", to)
        if found != code:
            faults.append(f"{to}: exit {found}, expected {code}: {text.strip()[:300]}")
        faults += [f"{to}: the message lacks \"{piece}\": {text.strip()[:300]}" for piece in pieces if piece not in text]
        if found != 0 and (place / out).exists():
            faults.append(f"{to}: left an output")
        if found == 0 and to == "gguf" and (place / out).read_bytes() != (place / "whole.gguf").read_bytes():
            faults.append("the file is not that of the whole model")
        if found == 0 and run(repaq, place, "verify", out, "whole.gguf")[0] != 0:
            faults.append(f"{to}: other values than the whole model's")
    if any(path.name.startswith(".") for path in place.iterdir()):
        faults.append("left a staging area")
    return faults


def content(place):
    return {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}


def writing(repaq, place):
    """title, faults; of sets that are written where something is."""
    ggufmodel.write(place / "in.gguf", *ggufmodel.model("llama"))
    words = ("convert", "in.gguf", "m.gguf", "--to", "gguf", "--max-shard-size", "20KB")
    found, text = run(repaq, place, *words)
    shards = sorted(path.name for path in place.glob("m-*.gguf"))
    yield "a set is written", [] if found == 0 and len(shards) > 2 and not (place / "m.gguf").exists() else [text]
    before = content(place)
    for shard in (shards[0], shards[1], shards[-1]):
        for other in shards:
            (place / other).unlink()
        (place / shard).write_bytes(b"mine")
        found, text = run(repaq, place, *words)
        kept = found == 2 and shard in text and "--force" in text and content(place) == {"in.gguf": before["in.gguf"], shard: b"mine"}
        yield f"{shard} is there", [] if kept else [f"exit {found}: {text}"]
        found, text = run(repaq, place, *words, "--force")
        yield f"{shard} is replaced", [] if found == 0 and content(place) == before else [f"exit {found}: {text}"]
    (place / shards[1]).unlink()
    (place / shards[1]).mkdir()
    found, text = run(repaq, place, *words, "--force")
    yield "a folder is in the way", [] if found == 2 and "directory" in text and (place / shards[1]).is_dir() else [f"exit {found}: {text}"]
    (place / shards[1]).rmdir()
    (place / shards[1]).write_bytes(before[shards[1]])
    found, text = run(repaq, place, "convert", shards[0], "m.gguf", "--to", "gguf", "--max-shard-size", "20KB", "--force")
    yield "onto the source itself", [] if found == 2 and "never written" in text and content(place) == before else [f"exit {found}: {text}"]
    found, text = run(repaq, place, "convert", shards[2], "n.gguf", "--to", "gguf", "--max-shard-size", "1")
    alone = list(place.glob("n-*.gguf"))
    yield "a tensor a shard", [] if found == 0 and len(alone) == len(ggufmodel.model("llama")[1]) else [f"exit {found}: {text}"]
    found, text = run(repaq, place, "convert", alone[3].name, "back.gguf", "--to", "gguf")
    yield "and back", [] if found == 0 and content(place)["back.gguf"] == before["in.gguf"] else [f"exit {found}: {text}"]


def cases(repaq, scratch):
    for number, case in enumerate(CASES):
        place = pathlib.Path(scratch) / f"gguf-sets-{number}"
        place.mkdir()
        yield case[0], judge(repaq, place, case)
    place = pathlib.Path(scratch) / "gguf-sets-written"
    place.mkdir()
    yield from writing(repaq, place)
