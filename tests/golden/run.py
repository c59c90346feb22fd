#!/usr/bin/env python3
"""`repaq inspect --tensors --hash` of every fixture equals tests/golden/FORMAT-NAME.txt.

A fixture that must be refused has the refusal's text and its exit code in that file. `--bless` rewrites the expectations; read the diff."""
import argparse
import difflib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def inspect(repaq, folder):
    """Run beside the fixture, so that no path of this machine is in the output."""
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "NO_COLOR": "1"}
    run = subprocess.run([repaq, "inspect", "--tensors", "--hash", folder.name], cwd=folder.parent, capture_output=True, text=True, timeout=120,
                         env=environment)
    return run.stdout + run.stderr + f"exit {run.returncode}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repaq", required=True, type=os.path.abspath)
    parser.add_argument("--fixtures", default=HERE.parent.parent / "fixtures", type=pathlib.Path)
    parser.add_argument("--bless", action="store_true", help="rewrite the expectations")
    options = parser.parse_args()
    fixtures = sorted(folder for folder in options.fixtures.resolve().glob("*/*") if folder.is_dir() and folder.parent.name != "__pycache__")
    expected_files = {f"{folder.parent.name}-{folder.name}.txt" for folder in fixtures}
    failed = 0
    for folder in fixtures:
        name = f"{folder.parent.name}-{folder.name}"
        path = HERE / f"{name}.txt"
        found = inspect(options.repaq, folder)
        if options.bless:
            path.write_text(found)
        expected = path.read_text() if path.exists() else ""
        if found == expected:
            print(f"ok   {name}")
        else:
            failed += 1
            print(f"FAIL {name}")
            sys.stdout.writelines(list(difflib.unified_diff(expected.splitlines(True), found.splitlines(True), str(path.name), "found"))[:40])
    for stale in sorted(path for path in HERE.glob("*.txt") if path.name not in expected_files):
        if options.bless:
            stale.unlink()
        else:
            failed += 1
            print(f"FAIL {stale.name}: no such fixture")
    if not fixtures:
        failed += 1
        print("FAIL no fixture found")
    print(f"{len(fixtures) - min(failed, len(fixtures))} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
