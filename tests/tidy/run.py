#!/usr/bin/env python3
"""Holds the tree to its own rules: include direction, self-contained headers, symbol prefixes, no mutable globals, sizes, one includer for each
third-party header, the four artefacts of a format, and documents that embed what the program prints.

usage: run.py --root DIR --build BUILD      (BUILD holds librepaq.a and repaq; standard library only, needs cc, nm and objdump)
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

RANK = {"base": 0, "ir": 1, "codec": 2, "container": 2, "tokenizer": 2, "formats": 3, "plan": 4, "check": 5, "cli": 6}
THIRD_PARTY = ("xxhash.h", "cjson/cJSON.h", "zip.h", "zstd.h", "pcre2.h", "utf8proc.h")
LINES = {".c": 500, ".h": 150}
FUNCTION_LINES, PARAMETERS, COLUMNS = 70, 6, 160
BANNED = ("exit", "quick_exit", "gets", "vsprintf", "strtok", "alloca", "setjmp", "longjmp", "system", "popen", "tmpnam", "mktemp")
EXPORTS_TOO = {"main": "command_"}          # main.c holds what command.h offers to every command
STATE = {("main", "stop_signal")}           # what a signal handler can reach
counts = {"passed": 0, "failed": 0}


def check(name, problems):
    problems = list(problems)
    counts["failed" if problems else "passed"] += 1
    print(("FAIL " if problems else "ok   ") + name)
    for problem in problems[:20]:
        print("     " + problem)


def sources(root, *suffixes):
    found = [path for folder in ("src", "formats") for path in sorted((root / folder).rglob("*")) if path.suffix in suffixes]
    assert found, "no sources below %s" % root
    return found


def layer(root, path):
    parts = path.relative_to(root).parts
    return "formats" if parts[0] == "formats" else parts[1]


def blank(text):
    """Comments, strings and characters replaced by blanks, newlines kept."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.S)


def wrong_arrows(root):
    for path in sources(root, ".c", ".h", ".def"):
        own = layer(root, path)
        for line, include in re.findall(r'^(\s*#\s*include\s+"([^"]+)")', path.read_text(), flags=re.M):
            folder = include.split("/")[0] if "/" in include else own
            if folder not in RANK:
                yield "%s includes %s, which is no layer" % (path.relative_to(root), include)
            elif RANK[folder] > RANK[own] or (RANK[folder] == RANK[own] and folder != own):
                yield "%s (%s) includes %s" % (path.relative_to(root), own, include)


def circles(root):
    """Headers that include each other, however far around."""
    graph = {}
    for path in sources(root, ".h"):
        name = str(path.relative_to(root / "src") if path.is_relative_to(root / "src") else path.relative_to(root))
        graph[name] = set(re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), flags=re.M))
    while graph:  # what includes nothing that is left, or is included by nothing that is left, is no part of a circle
        included = set().union(*graph.values())
        outside = [name for name in graph if not graph[name] & graph.keys() or name not in included]
        if not outside:
            break
        for name in outside:
            del graph[name]
    return sorted(graph)


def crowded_headers(root):
    users = collections.defaultdict(list)
    for path in sources(root, ".c", ".h"):
        for include in re.findall(r"^\s*#\s*include\s+<([^>]+)>", path.read_text(), flags=re.M):
            users[include].append(str(path.relative_to(root)))
    for name in THIRD_PARTY:
        if len(users[name]) > 1:
            yield "<%s> is included by %s" % (name, ", ".join(users[name]))
    for name in users["cmocka.h"]:
        yield "%s includes <cmocka.h>, which is for tests" % name


def compiler_flags(root):
    """The warnings of CMakeLists.txt."""
    text = (root / "CMakeLists.txt").read_text()
    flags = re.search(r"target_compile_options\(repaq_flags INTERFACE (-Wall[^)]*)\)", text)
    assert flags, "CMakeLists.txt names no warnings"
    return flags.group(1).split()


def headers_that_need_more(root):
    flags = compiler_flags(root)
    with tempfile.TemporaryDirectory() as scratch:
        for path in sources(root, ".h"):
            unit = pathlib.Path(scratch) / "unit.c"
            unit.write_text('#include "%s"\n' % (path.relative_to(root / "src") if path.is_relative_to(root / "src") else path.relative_to(root)))
            done = subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", *flags, "-Werror", "-fsyntax-only",
                                   "-I%s" % (root / "src"), "-I%s" % root, str(unit)], stderr=subprocess.PIPE, check=False)
            if done.returncode != 0:
                yield "%s: %s" % (path.relative_to(root), done.stderr.decode().splitlines()[0])


def objects(build):
    """The library and the program's own objects."""
    return [str(build / "librepaq.a")] + [str(path) for path in sorted((build / "CMakeFiles" / "repaq.dir").rglob("*.o"))]


def listing(tool, flags, build):
    """(member, line) of what a tool says about each object."""
    for file in objects(build):
        member = pathlib.Path(file).name.split(".")[0]
        for line in subprocess.run([tool, *flags, file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode().splitlines():
            header = re.match(r"(?:.*/)?([\w.]+)\.o:", line)
            if header:
                member = header.group(1).split(".")[0]
            else:
                yield member, line.split()


# Names of sanitizers and coverage.
INSTRUMENTED = ("__", "_GLOBAL", ".", "sancov", "asan", "ubsan")


def foreign_symbols(build):
    seen = 0
    for member, fields in listing("nm", ["-g", "--defined-only"], build):
        if len(fields) != 3 or fields[2].startswith(INSTRUMENTED):
            continue
        seen += 1
        if not fields[2].startswith((member + "_", EXPORTS_TOO.get(member, member + "_"))) and fields[2] != member:
            yield "%s.c exports %s" % (member, fields[2])
    if seen < 100:
        yield "nm lists %d symbols of the library" % seen


def mutable_state(build):
    """Variables in .data or .bss; constants with addresses in them are in .data.rel.ro."""
    seen = 0
    for member, fields in listing("objdump", ["-t"], build):
        if len(fields) < 4:
            continue
        seen += 1
        section, name = fields[-3], fields[-1]
        if (member, name) in STATE:
            continue
        if re.fullmatch(r"\.(data|bss|tdata|tbss)(\.(?!rel\.ro).*)?|\*COM\*", section) and name != section and not name.startswith(INSTRUMENTED):
            yield "%s.c keeps %s in %s" % (member, name, section)
    if seen < 100:
        yield "objdump lists %d symbols" % seen


def banned_calls(root):
    for path in sources(root, ".c", ".h"):
        for name in re.findall(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED), blank(path.read_text())):
            yield "%s calls %s" % (path.relative_to(root), name)


def oversized(root):
    names = collections.Counter(path.name for path in sources(root, ".c", ".h"))
    for path in sources(root, ".c", ".h", ".def"):
        text = path.read_text()
        lines = text.split("\n")
        shown = path.relative_to(root)
        if len(lines) - 1 > LINES.get(path.suffix, 200):
            yield "%s has %d lines" % (shown, len(lines) - 1)
        if names[path.name] > 1:
            yield "%s is not the only file of its name" % shown
        if not text.endswith("\n") or "\t" in text or re.search(r"[ \t]$", text, flags=re.M):
            yield "%s has a tab, a trailing blank or no final newline" % shown
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                yield "%s:%d has %d columns" % (shown, number, len(line))
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text):
            yield "%s holds unfinished work" % shown
        if re.search(r"typedef\s+struct", text):
            yield "%s hides a struct behind a typedef" % shown


def parameters(text):
    depth, commas = 0, 0
    for character in text:
        depth += (character == "(") - (character == ")")
        commas += character == "," and depth == 0
    return commas + 1


def overlong_functions(root):
    head = re.compile(r"^[A-Za-z_][\w \*\n]*?\b(\w+)\(((?:[^;{}()]|\((?:[^()]|\([^()]*\))*\))*)\)[^;{}()=]*([;{])", flags=re.M)
    pointer = re.compile(r"\(\*(?:const )?(\w+)\)\(([^;{}()]*)\)")
    seen = 0
    for path in sources(root, ".c", ".h"):
        shown = path.relative_to(root)
        text = re.sub(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\)[ \t]*", "", blank(path.read_text()))
        text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: re.sub(r"[^\n]", "", match.group()), text, flags=re.M)
        text = re.sub(r"^[A-Z][A-Z0-9_]*\([^()\n]*\)[ \t]+(?=[a-z])", "", text, flags=re.M)  # PRINTF_LIKE(3, 0) and its kind
        bodies = 0
        for match in head.finditer(text):
            if parameters(match.group(2)) > PARAMETERS:
                yield "%s: %s has %d parameters" % (shown, match.group(1), parameters(match.group(2)))
            if match.group(3) == "{":
                bodies += 1
                start = len(match.group()) - len(match.group().lstrip()) + match.start()
                length = text.count("\n", start, text.find("\n}", match.end())) + 2
                if length > FUNCTION_LINES:
                    yield "%s: %s has %d lines" % (shown, match.group(1), length)
        for match in pointer.finditer(text):
            if parameters(match.group(2)) > PARAMETERS:
                yield "%s: *%s has %d parameters" % (shown, match.group(1), parameters(match.group(2)))
        seen += bodies
        ends = len(re.findall(r"^\{$", text, flags=re.M))  # a function's brace stands alone
        if path.suffix == ".c" and ends != bodies:
            yield "%s: %d bodies of functions, %d of them understood" % (shown, ends, bodies)
    if seen < 100:
        yield "found %d functions" % seen


def format_names(root):
    return re.findall(r"^X\((\w+)\)", (root / "formats" / "formats.def").read_text(), flags=re.M)


def missing_artefacts(root):
    names = format_names(root)
    descriptors = {}
    for path in sources(root, ".c"):
        for name in re.findall(r"^const struct format (\w+)_format =", path.read_text(), flags=re.M):
            descriptors[name] = path.relative_to(root)
    for name in names:
        if name not in descriptors:
            yield "%s has no descriptor in formats/" % name
        if not (root / "fixtures" / name).is_dir() or not any((root / "fixtures" / name).iterdir()):
            yield "%s has no fixture folder" % name
        if not (root / "docs" / "formats" / (name + ".md")).is_file():
            yield "%s has no page docs/formats/%s.md" % (name, name)
    for name in descriptors:
        if name not in names:
            yield "%s is not in formats.def" % name
    for path in list((root / "docs" / "formats").glob("*.md")) + [path for path in (root / "fixtures").iterdir() if path.is_dir()]:
        if path.stem not in names:
            yield "%s belongs to no format" % path.relative_to(root)


def loops_in_formats(root):
    """Dialects name and describe; bits and bytes are codec's and container's."""
    for path in sorted((root / "formats").glob("*.c")):
        text = path.read_text()
        for header in ("codec/pack.h", "codec/group.h", "codec/half.h"):
            if '"%s"' % header in text:
                yield "%s includes %s" % (path.name, header)
        if re.search(r"\bassert\(", text):
            yield "%s asserts on input" % path.name


# What documents embed between <!-- NAME --> and <!-- /NAME -->, the command that prints it, and how often at least.
EMBEDDED = (("formats", ("formats",), 2), ("engines", ("check", "--engines"), 1))


def stale_tables(root, build):
    for name, command, least in EMBEDDED:
        table = subprocess.run([str(build / "repaq"), *command], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        embedded = 0
        for path in [root / "README.md"] + sorted((root / "docs").rglob("*.md")):
            for found in re.findall(r"<!-- %s -->\n(.*?)<!-- /%s -->" % (name, name), path.read_text(), flags=re.S):
                embedded += 1
                if found.strip() != table:
                    yield "%s does not hold what `repaq %s` prints" % (path.relative_to(root), " ".join(command))
        if embedded < least:
            yield "README.md and docs/ embed the table of %s %d times, expected at least %d" % (name, embedded, least)


def dead_links(root):
    for path in [root / "README.md", root / "CHANGELOG.md", root / "fixtures" / "README.md"] + sorted((root / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                yield "%s links to %s" % (path.relative_to(root), target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, type=pathlib.Path)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    options = parser.parse_args()
    root, build = options.root.resolve(), options.build.resolve()
    check("includes point left only", wrong_arrows(root))
    check("no headers include each other", circles(root))
    check("each third-party header has one includer", crowded_headers(root))
    check("headers are self-contained", headers_that_need_more(root))
    check("exported symbols start with their file's name", foreign_symbols(build))
    check("no mutable globals", mutable_state(build))
    check("no call that ends the program or that cannot be bounded", banned_calls(root))
    check("sizes, names and spacing", oversized(root))
    check("functions are short and take few parameters", overlong_functions(root))
    check("every format has its four artefacts", missing_artefacts(root))
    check("dialects hold no element loops", loops_in_formats(root))
    check("documents embed what the program prints", stale_tables(root, build))
    check("links lead somewhere", dead_links(root))
    print("%d passed, %d failed" % (counts["passed"], counts["failed"]))
    return 1 if counts["failed"] else 0


sys.exit(main())
