#!/usr/bin/env python3
"""Holds `repaq llama-quantize` against llama-quantize: processor time, wall time, memory, and the bytes; both in one run, alternating, on a warm cache.

usage: tests/bench/llama_quantize.py --llama-quantize PROGRAM --gguf F16.gguf [--repaq build/repaq] [--dir build/bench] [--runs 5] [--threads 1] [TYPE ...]

PROGRAM is that of a llama.cpp built with its default release options. A type with + after it (Q4_K_M+) gets an importance matrix, which is made up here. A line
has the least processor time of the runs of each side, in user space and the kernel together and in user space alone, with their ratios; the median of the
wall times, with the ratio to `cp` of the input and sync; and the largest memory.
"""
import argparse
import filecmp
import os
import random
import struct
import subprocess
import sys
import time

TYPES = "Q4_0 Q8_0 Q4_1 Q5_0 Q5_1 Q2_K+ Q3_K_M+ Q4_K_M Q4_K_M+ Q5_K_M Q6_K Q6_K+ IQ4_NL IQ4_XS+ IQ3_S IQ2_M+ MXFP4_MOE".split()
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of a GGUF value


class Header:
    def __init__(self, path):
        self.file = open(path, "rb")

    def number(self, kind):
        return struct.unpack("<" + kind, self.file.read(struct.calcsize(kind)))[0]

    def text(self):
        return self.file.read(self.number("Q"))

    def skip(self, kind):
        if kind == 8:
            self.text()
        elif kind == 9:
            of, count = self.number("I"), self.number("Q")
            for _ in range(count if of in (8, 9) else 1):
                self.file.seek(SIZES[of] * count, 1) if of in SIZES else self.skip(of)
        else:
            self.file.seek(SIZES[kind], 1)

    def tensors(self):
        """Names and columns."""
        self.file.seek(8)
        tensors, pairs = self.number("Q"), self.number("Q")
        for _ in range(pairs):
            self.text()
            self.skip(self.number("I"))
        for _ in range(tensors):
            name, shape = self.text(), [self.number("Q") for _ in range(self.number("I"))]
            self.file.seek(12, 1)
            yield name, shape


def write_importance(gguf, path):
    """An importance matrix in the older format, for every matrix."""
    rng = random.Random(1)
    entries = [(name, shape[0]) for name, shape in Header(gguf).tensors() if len(shape) > 1]
    with open(path, "wb") as out:
        out.write(struct.pack("<i", len(entries)))
        for name, columns in entries:
            out.write(struct.pack("<i", len(name)) + name + struct.pack("<ii", 1, columns))
            out.write(struct.pack("<%df" % columns, *(rng.expovariate(1) for _ in range(columns))))


def timed(command):
    """Wall seconds, processor seconds in all and in user space, resident bytes."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit("%s: exit %d" % (" ".join(command), process.returncode))
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_utime, usage.ru_maxrss * 1024


def median(values):
    return sorted(values)[len(values) // 2]


def measure(args, kind):
    kind, _, weighted = kind.partition("+")
    weighted = _ != ""
    importance = os.path.join(args.dir, "importance.dat")
    if weighted and not os.path.exists(importance):
        write_importance(args.gguf, importance)
    paths = [os.path.join(args.dir, name) for name in ("theirs.gguf", "ours.gguf", "copy.gguf")]
    options = ["--imatrix", importance] if weighted else []
    sides = [[args.llama_quantize] + options + [args.gguf, paths[0], kind, str(args.threads)],
             [args.repaq, "llama-quantize"] + options + [args.gguf, paths[1], kind, str(args.threads)],
             ["sh", "-c", 'cp "$0" "$1" && sync', args.gguf, paths[2]]]
    times = ([], [], [])
    for _ in range(args.runs):
        for path, command, runs in zip(paths, sides, times):
            if os.path.exists(path):
                os.remove(path)
            subprocess.run(["sync"], check=True)
            runs.append(timed(command))
    same = filecmp.cmp(paths[0], paths[1], shallow=False)
    for path in paths:
        os.remove(path)
    theirs, ours, copies = times
    cpu, user = ([min(t[i] for t in side) for side in (theirs, ours)] for i in (1, 2))
    wall = [median([t[0] for t in side]) for side in times]
    print("| %-9s | %6.2f s | %6.2f s | %5.1f | %6.2f s | %6.2f s | %5.1f | %6.2f s | %6.2f s | %5.2f | %4d MiB | %4d MiB | %s |" % (
        kind + ("+" if weighted else ""), cpu[0], cpu[1], cpu[0] / cpu[1], user[0], user[1], user[0] / max(user[1], 1e-3), wall[0], wall[1],
        median([a[0] / b[0] for a, b in zip(ours, copies)]), max(t[3] for t in theirs) >> 20, max(t[3] for t in ours) >> 20,
        "same" if same else "other bytes"), flush=True)
    return same


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llama-quantize", required=True)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--repaq", default=os.path.join(root, "build", "repaq"))
    parser.add_argument("--dir", default=os.path.join(root, "build", "bench"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("types", nargs="*", default=TYPES)
    args = parser.parse_args()
    os.makedirs(args.dir, exist_ok=True)
    print("| type      | cpu, llama | repaq  | ratio | user, llama | repaq | ratio | wall, llama | repaq | to cp | llama    | repaq    | bytes |")
    print("|-----------|----------|----------|-------|----------|----------|-------|----------|----------|-------|----------|----------|-------|")
    sys.exit(0 if all([measure(args, kind) for kind in args.types]) else 1)


if __name__ == "__main__":
    main()
