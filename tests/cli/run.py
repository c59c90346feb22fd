#!/usr/bin/env python3
"""The command line as users meet it. A case is NAME.sh, run by sh in a fresh directory; NAME.stdout, NAME.stderr and NAME.exit say what must come
out (absent: nothing, nothing, 0). In an expectation `*` stands for any text within a line.

A script sees $REPAQ (the program), $FIXTURES, $TESTS (this checkout's tests/) and $MAKE (python3 make.py). In its output the fixtures' path
reads $FIXTURES, and the fresh directory's $PWD. `--bless` rewrites the expectations and keeps lines with `*` that still match; read the diff.

    run.py --repaq REPAQ --fixtures DIR [--only TEXT] [--bless]
"""
import argparse
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "malformed"))
import checkpoint  # noqa: E402

TIMEOUT = 60
VARIABLE = [(re.compile(r"^time {6}.*$"), "time      *"), (re.compile(r'"(seconds|gb_per_second|peak_memory_bytes)": [0-9.e+-]+'), r'"\1": *')]


def line_matches(pattern, line):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), line) is not None


def matches(expected, found):
    expected, found = expected.splitlines(), found.splitlines()
    return len(expected) == len(found) and all(map(line_matches, expected, found))


def blessed(expected, found):
    lines = []
    old = expected.splitlines()
    for at, line in enumerate(found.splitlines()):
        if at < len(old) and "*" in old[at] and line_matches(old[at], line):
            lines.append(old[at])
            continue
        for pattern, text in VARIABLE:
            line = pattern.sub(text, line)
        lines.append(line)
    return "".join(line + "\n" for line in lines)


def expectation(script, part):
    path = script.with_suffix("." + part)
    return path.read_text() if path.exists() else ""


def run_case(options, script):
    """{"stdout": text, "stderr": text, "exit": text}"""
    place = tempfile.mkdtemp(prefix="repaq-cli-")
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TERM": "dumb", "REPAQ": options.repaq, "FIXTURES": str(options.fixtures),
                   "TESTS": str(HERE.parent), "MAKE": f"{sys.executable} -B {HERE / 'make.py'}", "HOME": place, "REPAQ_THREADS": "2"}
    try:
        run = subprocess.run(["sh", "-u", str(script)], cwd=place, capture_output=True, env=environment, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        code, stdout, stderr = run.returncode, run.stdout, run.stderr
    except subprocess.TimeoutExpired as expired:
        code, stdout, stderr = "timeout", expired.stdout or b"", expired.stderr or b""
    finally:
        shutil.rmtree(place, ignore_errors=True)

    def plain(data):
        return data.decode("utf-8", "backslashreplace").replace(str(options.fixtures), "$FIXTURES").replace(place, "$PWD")

    return {"stdout": plain(stdout), "stderr": plain(stderr), "exit": f"{code}\n"}


def judge(script, found):
    """The differences, as text."""
    text = ""
    for part, value in found.items():
        expected = expectation(script, part) or ("0\n" if part == "exit" else "")
        if not matches(expected, value):
            text += "".join(difflib.unified_diff(expected.splitlines(True), value.splitlines(True), f"{script.stem}.{part}", "found"))
    return text


def bless(script, found):
    for part, value in found.items():
        path = script.with_suffix("." + part)
        text = blessed(expectation(script, part), value)
        if text == ("0\n" if part == "exit" else ""):
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repaq", required=True, type=os.path.abspath)
    parser.add_argument("--fixtures", default=HERE.parent.parent / "fixtures", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--bless", action="store_true", help="rewrite the expectations")
    options = parser.parse_args()
    before = checkpoint.tree_hash(options.fixtures)
    passed = failed = 0
    for script in sorted(HERE.glob("*.sh")):
        if options.only not in script.stem:
            continue
        found = run_case(options, script)
        if options.bless:
            bless(script, found)
        difference = judge(script, found)
        print(f"{'FAIL' if difference else 'ok  '} {script.stem}\n{difference}", end="", flush=True)
        passed += not difference
        failed += bool(difference)
    untouched = checkpoint.tree_hash(options.fixtures) == before
    print(f"{'ok  ' if untouched else 'FAIL'} the fixtures are as they were")
    known = {script.stem for script in HERE.glob("*.sh")}
    stray = sorted(path.name for path in HERE.iterdir() if path.suffix in (".stdout", ".stderr", ".exit") and path.stem not in known)
    print(f"{'FAIL' if stray else 'ok  '} every expectation has its script {' '.join(stray)}")
    passed += untouched + (not stray)
    failed += (not untouched) + bool(stray)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
