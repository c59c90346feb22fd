#!/usr/bin/env python3
"""Holds the plain readers against real checkpoints and the float values that their makers' own code gave for them.

    references.py MODELS      MODELS/references/NAME.{reference,expected}_dequant.safetensors belong to MODELS/NAME

Every checkpoint must be read; where there is a reference, each of its values must be the plain reader's F32 value, bit for bit.
"""
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import formats
import st
from st import Refusal


def differences(checkpoint, path):
    problems = []
    for name, wanted in st.read(path)[1].items():
        layer = checkpoint.weights.get(name[:-len(".weight")]) or checkpoint.dense.get(name[:-len(".weight")])
        if layer is None:
            problems.append(name + " was not read")
            continue
        found = struct.pack("<%df" % st.product(wanted.shape), *[pair[1] + 0.0 for row in layer.values() for pair in row])
        if found != wanted.data:
            count = sum(a != b for a, b in zip(struct.iter_unpack("<f", found), struct.iter_unpack("<f", wanted.data)))
            if count:
                problems.append("%s: %d values differ" % (name, count))
    return problems


def main(root):
    failed = 0
    for name in sorted(os.listdir(root)):
        directory = os.path.join(root, name)
        kind = os.path.isdir(directory) and formats.recognise(directory)
        if not kind:
            continue
        try:
            checkpoint = formats.READERS[kind](directory)
        except Refusal as refusal:
            print("read %s as %s: refused with %s: %s" % (name, kind, refusal.codes, refusal))
            continue
        line = "%d layers, %d float tensors" % (len(checkpoint.weights) + len(checkpoint.dense), len(checkpoint.floats))
        for made in (".expected_dequant.safetensors", ".reference_dequant.safetensors"):
            path = os.path.join(root, "references", name + made)
            if os.path.exists(path):
                problems = differences(checkpoint, path)
                failed += bool(problems)
                line += "; %s: %s" % (made[1:], problems[:3] or "equal")
        print("read %s as %s: %s" % (name, kind, line), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
