#!/usr/bin/env python3
"""Runs the console blocks of README.md, in order and in one directory, and holds what they print against what README says.

   tests/readme/run.py --repaq BUILD/repaq --fixtures DIR --readme FILE [--write]

A line `$ COMMAND` is run; the lines below it are its standard output and error as a terminal shows them. `...` as the last line stands for the rest.
The line of time and memory is compared without its figures. --write puts what the commands print into FILE."""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
FIGURES = re.compile(r"^time .*$", re.M)


def commands(block):
    """(command, expected output) of each command of a block."""
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:].rstrip("\n"), ""])
        elif found:
            found[-1][1] += line
    return found


class Shell:
    """One bash for all commands, so that `echo $?` is the exit code of the one before."""

    def __init__(self, place, repaq):
        self.place, self.last = place, 0
        self.environment = dict(os.environ, PATH=str(Path(repaq).resolve().parent) + ":" + os.environ["PATH"], LC_ALL="C")

    def run(self, command):
        ended = subprocess.run(["bash", "-c", "(exit %d); %s" % (self.last, command)], cwd=self.place, env=self.environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.last = ended.returncode
        return ended.stdout


def same(expected, printed):
    expected, printed = (FIGURES.sub("time", text) for text in (expected, printed))
    if expected.endswith("...\n"):
        return len(expected) > 4 and printed.startswith(expected[:-4])
    return expected == printed


def renewed(expected, printed):
    """What README is to say: as many lines of a long listing as it had."""
    if not expected.endswith("...\n"):
        return printed
    return "".join(printed.splitlines(keepends=True)[:expected.count("\n") - 1]) + "...\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--repaq", required=True)
    p.add_argument("--fixtures", required=True)
    p.add_argument("--readme", required=True)
    p.add_argument("--write", action="store_true")
    a = p.parse_args()
    text = Path(a.readme).read_text(encoding="utf-8")
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="repaq-readme-") as place:
        os.symlink(os.path.abspath(a.fixtures), os.path.join(place, "fixtures"))
        os.makedirs(os.path.join(place, "build", "out"))
        shell = Shell(place, a.repaq)
        for block in BLOCK.findall(text):
            made = ""
            for command, expected in commands(block):
                printed = shell.run(command)
                made += "$ " + command + "\n" + renewed(expected, printed)
                if same(expected, printed):
                    passed += 1
                    print("ok   %s" % command)
                else:
                    failed += 1
                    print("FAIL %s\n--- README\n%s--- printed\n%s---" % (command, expected, printed))
            text = text.replace("```console\n" + block + "```", "```console\n" + made + "```")
    if a.write:
        Path(a.readme).write_text(text, encoding="utf-8")
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
