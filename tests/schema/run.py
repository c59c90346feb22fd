#!/usr/bin/env python3
"""Holds every schema, every fixture's documents and every output of repaq to schemas/ with a real validator, and the readers to the schemas in
the other direction: what a schema refuses, the reader refuses, and what it takes of a member the reader takes.

usage: run.py --repaq BIN --fixtures DIR          (needs python3-jsonschema)
"""
import argparse
import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCHEMAS = ROOT / "schemas"
counts = {"passed": 0, "failed": 0}


def check(name, good, why=""):
    counts["passed" if good else "failed"] += 1
    print(("ok   " if good else "FAIL ") + name + ("" if good else ": " + str(why)[:400]))


def load(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def validator(name):
    return Draft202012Validator(load(SCHEMAS / (name + ".json")))


def errors(name, document):
    return [error.message for error in validator(name).iter_errors(document)]


def valid(label, name, document):
    found = errors(name, document)
    check("%s is a valid %s" % (label, name), not found, found)


def schemas_are_sound():
    for path in sorted(SCHEMAS.glob("*.json")):
        document = load(path)
        try:
            Draft202012Validator.check_schema(document)
            sound = document.get("$schema", "").endswith("2020-12/schema")
        except Exception as error:  # the validator's own error types
            sound = False
            document = {"error": str(error)}
        foreign = [target for target in references(document) if not target.startswith("#/$defs/")]
        check("schema %s is a self-contained 2020-12 schema" % path.stem, sound and not foreign, foreign or document)
        check("schema %s says what it describes" % path.stem, document.get("title") and document.get("description"))
        check("schema %s refuses an array" % path.stem, not Draft202012Validator(document).is_valid([]))


def references(schema):
    if isinstance(schema, list):
        return [target for item in schema for target in references(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
    return own + [target for item in schema.values() for target in references(item)]


# Fixtures that are broken on purpose still have sound documents; only what their weights hold is wrong.
def fixtures_are_valid(fixtures):
    for folder in sorted(path for path in fixtures.glob("*/*") if path.is_dir()):
        label = folder.parent.name + "/" + folder.name
        config = load(folder / "config.json")
        if folder.parent.name in ("awq", "gptq", "gptq_v2"):
            valid(label + " config.json", folder.parent.name.split("_")[0], config["quantization_config"])
        for path in folder.glob("quantize_config.json"):
            valid(label + " " + path.name, "quantize_config", load(path))
        for path in folder.glob("*.index.json"):
            valid(label + " " + path.name, "index", load(path))
        for path in folder.glob("quant_model_description*.json"):
            valid(label + " " + path.name, "msmodelslim-description", load(path))


def run(repaq, *arguments):
    done = subprocess.run([repaq, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=False)
    return done.returncode, done.stdout.decode()


def output(repaq, label, name, expected, *arguments):
    code, text = run(repaq, *arguments, "--json")
    try:
        document = json.loads(text)
    except ValueError as error:
        check("%s: one JSON object on stdout" % label, False, "%s: %r" % (error, text[:200]))
        return None
    check("%s exits %d" % (label, expected), code == expected, code)
    valid("output of " + label, name, document)
    if expected > 1 or "error" in document:
        check("%s: the exit code is the error's" % label, document.get("error", {}).get("exit") == code, document)
    return document


def outputs_are_valid(repaq, fixtures, scratch):
    sources = [path for path in sorted(fixtures.glob("*/*")) if path.is_dir() and not path.name.startswith("synth-")]
    for source in sources:
        label = source.parent.name + "/" + source.name
        output(repaq, "inspect " + label, "inspect", 0, "inspect", source)
        targets = ["hf"] if source.parent.name == "hf" else ["awq", "gptq", "gptq_v2"]
        for target in targets:
            destination = scratch / (source.name + "-" + target)
            code, _ = run(repaq, "convert", source, destination, "--to", target, "--dry-run")
            output(repaq, "convert --dry-run %s %s" % (label, target), "convert", code, "convert", source, destination, "--to", target, "--dry-run")
            output(repaq, "convert %s %s" % (label, target), "convert", code, "convert", source, destination, "--to", target)
            if code == 0:
                directory_is_valid("%s as %s" % (label, target), target, destination)
                output(repaq, "verify %s %s" % (label, target), "verify", 0, "verify", source, destination)
    edge = fixtures / "msmodelslim" / "edge-w4a16-g32-sym-zeros-safe"
    hashed = output(repaq, "inspect --hash", "inspect", 0, "inspect", "--hash", edge)
    parts = hashed["tensors"] + [part for weight in hashed["weights"] for part in weight["roles"].values()]
    check("inspect --hash: every tensor has its hash", parts and all("xxh3_128" in part for part in parts))
    for source in sorted(fixtures.glob("*/synth-*")):
        output(repaq, "inspect %s" % source.name, "inspect", run(repaq, "inspect", source)[0], "inspect", source)
        output(repaq, "convert %s" % source.name, "convert", run(repaq, "convert", source, scratch / "no", "--to", "awq", "--dry-run")[0],
               "convert", source, scratch / "no", "--to", "awq", "--dry-run")
    output(repaq, "inspect of nothing", "inspect", 3, "inspect", scratch / "nothing")
    output(repaq, "convert --verify", "convert", 0, "convert", edge, scratch / "verified", "--to", "awq", "--verify")
    output(repaq, "convert into an existing directory", "convert", 2, "convert", edge, scratch / "verified", "--to", "awq")
    output(repaq, "convert to no format", "convert", 2, "convert", edge, scratch / "no")
    output(repaq, "convert to awq, exact, with scales that F16 cannot hold", "convert", 6, "convert", edge, scratch / "no", "--to", "awq", "--exact")
    output(repaq, "verify of one checkpoint", "verify", 2, "verify", edge)
    output(repaq, "verify of nothing", "verify", 3, "verify", edge, scratch / "nothing")
    output(repaq, "verify of different checkpoints", "verify", 1, "verify", fixtures / "awq" / "awq-qwen2-4bit-g128",
           fixtures / "gptq" / "gptq-qwen2-4bit-g128-sym")
    output(repaq, "formats", "formats", 0, "formats")
    names = [row["name"] for row in json.loads(run(repaq, "formats", "--json")[1])["formats"]]
    for a in names:
        for b in names:
            output(repaq, "formats --from %s --to %s" % (a, b), "formats", 0, "formats", "--from", a, "--to", b)
    output(repaq, "formats of an unknown one", "formats", 2, "formats", "--from", "exl9", "--to", "awq")
    indexes_are_valid(repaq, fixtures / "hf" / "tiny-float-sharded", scratch)
    checks_are_valid(repaq, fixtures, scratch)


def indexes_are_valid(repaq, source, scratch):
    output(repaq, "index", "index-command", 0, "index", source)
    output(repaq, "index of nothing", "index-command", 3, "index", scratch / "nothing")
    folder = scratch / "indexed"
    shutil.copytree(source, folder)
    index = folder / "model.safetensors.index.json"
    broken = load(index)
    names = sorted(broken["weight_map"])
    broken["weight_map"][names[0]] = "model-00009-of-00002.safetensors"  # a missing shard
    del broken["weight_map"][names[1]]
    broken["weight_map"]["stale.weight"] = broken["weight_map"][names[2]]
    broken["metadata"]["total_size"] = 1
    index.write_text(json.dumps(broken), encoding="utf-8")
    found = output(repaq, "index --check of a wrong index", "index-command", 1, "index", folder, "--check")
    kinds = {finding["kind"] for finding in found["findings"]}
    check("index --check finds each of the defects", kinds == {"missing-shard", "wrong-shard", "unlisted", "stale", "total-size"}, kinds)
    output(repaq, "index --write", "index-command", 0, "index", folder, "--write")
    valid("a rewritten index", "index", load(index))
    output(repaq, "index --check of a rewritten index", "index-command", 0, "index", folder)
    index.unlink()
    output(repaq, "index of shards without one", "index-command", 1, "index", folder)


def checks_are_valid(repaq, fixtures, scratch):
    """Every fixture, the broken ones among them, for every engine that the schema names: what is found is a result, never an error."""
    engines = load(SCHEMAS / "check.json")["$defs"]["result"]["properties"]["engine"]["enum"]
    for source in sorted(path for path in fixtures.glob("*/*") if path.is_dir()):
        for engine in engines:
            code = run(repaq, "check", source, "--for", engine)[0]
            label = "check %s/%s for %s" % (source.parent.name, source.name, engine)
            document = output(repaq, label, "check", code, "check", source, "--for", engine)
            check(label + ": accepted exactly if it exits 0", code in (0, 1) and document["accepted"] == (code == 0), document)
    output(repaq, "check for an unknown engine", "check", 2, "check", fixtures / "awq" / "awq-qwen2-4bit-g128", "--for", "exllama")
    output(repaq, "check of nothing", "check", 3, "check", scratch / "nothing", "--for", "vllm")


# What repaq writes is narrower than what it reads: required and optional members.
WRITTEN = {
    "awq": ({"quant_method", "bits", "group_size", "zero_point", "version", "modules_to_not_convert"}, set()),
    "gptq": ({"bits", "group_size", "desc_act", "sym", "lm_head", "quant_method", "checkpoint_format", "pack_dtype"},
             {"dynamic", "modules_in_block_to_quantize"}),
}


def directory_is_valid(label, target, directory):
    config = load(directory / "config.json")
    if target == "hf":
        check(label + ": no quantization_config", "quantization_config" not in config)
    else:
        valid(label + " config.json", target.split("_")[0], config["quantization_config"])
        members = set(config["quantization_config"])
        required, optional = WRITTEN[target.split("_")[0]]
        check(label + ": the members that are promised and no others", required <= members <= required | optional, members ^ required)
    if target.startswith("gptq"):
        side = load(directory / "quantize_config.json")
        valid(label + " quantize_config.json", "quantize_config", side)
        check(label + ": quantize_config.json equals config.json's object", side == config["quantization_config"])
    valid(label + " manifest", "manifest", load(directory / "repaq-manifest.json"))
    for path in directory.glob("*.index.json"):
        valid(label + " index", "index", load(path))


# (fixture, file, member path into it, schema, label, change): each change breaks the document; schema and reader must both refuse it.
def setting(*path_and_value):
    *path, value = path_and_value

    def change(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value
    return change


def removing(*path):
    def change(document):
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]
    return change


AWQ, GPTQ = "awq/awq-qwen2-4bit-g128", "gptq/gptq-qwen2-4bit-g128-sym"
MS, SHARDED = "msmodelslim/edge-w4a16-g32-sym-zeros-safe", "hf/tiny-float-sharded"
DESCRIPTION, INDEX = "quant_model_description_w4a16.json", "model.safetensors.index.json"
MUTATIONS = [
    (AWQ, "config.json", ["quantization_config"], "awq", "bits 3", setting("bits", 3)),
    (AWQ, "config.json", ["quantization_config"], "awq", "bits a string", setting("bits", "4")),
    (AWQ, "config.json", ["quantization_config"], "awq", "no bits", removing("bits")),
    (AWQ, "config.json", ["quantization_config"], "awq", "group_size 0", setting("group_size", 0)),
    (AWQ, "config.json", ["quantization_config"], "awq", "group_size -2", setting("group_size", -2)),
    (AWQ, "config.json", ["quantization_config"], "awq", "group_size 12.5", setting("group_size", 12.5)),
    (AWQ, "config.json", ["quantization_config"], "awq", "no group_size", removing("group_size")),
    (AWQ, "config.json", ["quantization_config"], "awq", "version gemv", setting("version", "gemv")),
    (AWQ, "config.json", ["quantization_config"], "awq", "version a number", setting("version", 1)),
    (AWQ, "config.json", ["quantization_config"], "awq", "zero_point a string", setting("zero_point", "yes")),
    (AWQ, "config.json", ["quantization_config"], "awq", "no quant_method", removing("quant_method")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "bits 5", setting("bits", 5)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "bits true", setting("bits", True)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "group_size a string", setting("group_size", "128")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "group_size 0", setting("group_size", 0)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "sym a string", setting("sym", "true")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "desc_act a number", setting("desc_act", 0)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "unknown checkpoint_format", setting("checkpoint_format", "marlin")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "pack_dtype int8", setting("pack_dtype", "int8")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "rotation set", setting("rotation", "hadamard")),
    (GPTQ, "quantize_config.json", [], "quantize_config", "bits a string", setting("bits", "4")),
    (GPTQ, "quantize_config.json", [], "quantize_config", "sym a string", setting("sym", "true")),
    (GPTQ, "quantize_config.json", [], "quantize_config", "no bits", removing("bits")),
    (GPTQ, "config.json", [], "gptq", "an array", lambda document: []),
    (AWQ, "config.json", [], "awq", "a string", lambda document: "awq"),
    (SHARDED, INDEX, [], "index", "an array", lambda document: [document]),
    (SHARDED, INDEX, [], "index", "an empty weight_map", setting("weight_map", {})),
    (SHARDED, INDEX, [], "index", "a shard with a line end", setting("weight_map", "model.norm.weight", "model-00002-of-00002.safetensors\n")),
    (SHARDED, INDEX, [], "index", "a hidden shard", setting("weight_map", "model.norm.weight", ".model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard of 300 bytes", setting("weight_map", "model.norm.weight", "m" * 288 + ".safetensors")),
    (SHARDED, INDEX, [], "index", "a shard behind a backslash", setting("weight_map", "model.norm.weight", "a\\model.safetensors")),
    (SHARDED, INDEX, [], "index", "no weight_map", removing("weight_map")),
    (SHARDED, INDEX, [], "index", "weight_map a list", setting("weight_map", [])),
    (SHARDED, INDEX, [], "index", "a shard that is a number", setting("weight_map", "model.norm.weight", 1)),
    (SHARDED, INDEX, [], "index", "a shard outside", setting("weight_map", "model.norm.weight", "../model-00002-of-00002.safetensors")),
    (SHARDED, INDEX, [], "index", "an absolute shard", setting("weight_map", "model.norm.weight", "/model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard on a drive", setting("weight_map", "model.norm.weight", "C:model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard of another kind", setting("weight_map", "model.norm.weight", "model.bin")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an entry that is a number", setting("lm_head.weight", 4)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an unknown type", setting("lm_head.weight", "W5A16")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a W4A8_DYNAMIC type", setting("lm_head.weight", "W4A8_DYNAMIC")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an unknown version", setting("version", "2.0.0")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a negative group_size", setting("group_size", -1)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "group_size a string", setting("group_size", "32")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a quantized cache", setting("kv_quant_type", "C8")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a rotation", setting("optional", {"quarot": {}})),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a rotation further in", setting("metadata", {"a": [{"quarot": None}]})),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an array", lambda document: [document]),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an entry that is null", setting("lm_head.weight", None)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an entry in small letters", setting("lm_head.weight", "float")),
]

# Schema and reader are compared on every member that a schema names, with every one of these values.
VALUES = [None, True, False, 0, 1, -1, -2, 4, 5, 8, 32, 128, 2.5, 10 ** 20, "", "4", "gptq", "GPTQ_V2", "awq", "Gemm", "int32", "W4A16", "1.0.0",
          [], ["x"], [["x"]], {}, {"a": 1}, {"a": {}}]

# Members whose form the dialect's tools fix and which repaq's own output keeps, but which reading takes nothing from: any value is passed over.
PASSED_OVER = {
    ("awq", "modules_to_not_convert"): "which weights are quantized shows in the tensors",
    ("gptq", "dynamic"): "bits and groups show in the shapes",
    ("gptq", "modules_in_block_to_quantize"): "which weights are quantized shows in the tensors",
    ("gptq", "lm_head"): "whether it is quantized shows in its tensors",
    ("gptq", "meta"): "only its quantizer is looked for",
    ("index", "metadata"): "informative only",
    ("msmodelslim-description", "model_quant_type"): "informative only where it is no string",
    ("msmodelslim-description", "reduce_quant_type"): "of the run time",
    ("msmodelslim-description", "indexer_quant_type"): "of the run time",
    ("msmodelslim-description", "metadata"): "only a rotation in it counts",
    ("msmodelslim-description", "optional"): "only a rotation in it counts",
}


def readers_refuse(repaq, fixtures, scratch):
    for number, (fixture, file, path, schema, label, change) in enumerate(MUTATIONS):
        folder = scratch / ("mutated-%d" % number)
        shutil.copytree(fixtures / fixture, folder)
        if file == "config.json":
            (folder / "quantize_config.json").unlink(missing_ok=True)
        document = load(folder / file)
        part = document
        for key in path:
            part = part[key]
        before = copy.deepcopy(part)
        changed = change(part)
        if changed is not None:  # the whole document is another one
            document = part = changed
        check("%s, %s: the schema refuses it" % (fixture, label), bool(errors(schema, part)) and (changed is not None or not errors(schema, before)), part)
        (folder / file).write_text(json.dumps(document), encoding="utf-8")
        code, _ = run(repaq, "inspect", folder)
        check("%s, %s: the reader refuses it" % (fixture, label), code in (4, 5), "exit %d" % code)
        shutil.rmtree(folder)


def refusal(repaq, folder):
    """None, or the error of `repaq inspect`."""
    code, text = run(repaq, "inspect", folder, "--json")
    return None if code == 0 else json.loads(text)["error"]


def members_agree(repaq, fixtures, scratch):
    """For each member and value: the schema refuses it exactly if the reader refuses the document. A refusal for what the weights hold is none."""
    for fixture, file, path, schema in ((AWQ, "config.json", ["quantization_config"], "awq"), (GPTQ, "config.json", ["quantization_config"], "gptq"),
                                        (GPTQ, "quantize_config.json", [], "quantize_config"), (SHARDED, INDEX, [], "index"),
                                        (MS, DESCRIPTION, [], "msmodelslim-description")):
        folder = scratch / ("members-" + schema)
        shutil.copytree(fixtures / fixture, folder)
        if schema == "quantize_config":  # alone: beside config.json's object it is only held against it
            config = load(folder / "config.json")
            del config["quantization_config"]
            (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        elif file == "config.json":
            (folder / "quantize_config.json").unlink(missing_ok=True)
        original = (folder / file).read_text(encoding="utf-8")
        check("%s as it is: the reader takes it" % schema, refusal(repaq, folder) is None, refusal(repaq, folder))
        for member in load(SCHEMAS / (schema + ".json"))["properties"]:
            differing = []
            for value in VALUES:
                document = json.loads(original)
                part = document
                for key in path:
                    part = part[key]
                part[member] = value
                (folder / file).write_text(json.dumps(document), encoding="utf-8")
                error = refusal(repaq, folder)
                by_schema, by_reader = bool(errors(schema, part)), error is not None and error["where"].endswith(file)
                if by_schema != (error is not None) and (by_schema or by_reader):
                    differing.append((value, "schema " + ("refuses" if by_schema else "takes"), error and error["what"]))
            passed_over = (schema.replace("quantize_config", "gptq"), member) in PASSED_OVER
            check("%s, member %s: schema and reader agree on %d values" % (schema, member, len(VALUES)) + (", but for those passed over" * passed_over),
                  bool(differing) == passed_over and all(error is None for _, _, error in differing if passed_over), differing)
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repaq", required=True)
    parser.add_argument("--fixtures", required=True, type=pathlib.Path)
    options = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="repaq-schema-", dir=os.getcwd()))
    try:
        schemas_are_sound()
        fixtures_are_valid(options.fixtures)
        outputs_are_valid(options.repaq, options.fixtures, scratch)
        readers_refuse(options.repaq, options.fixtures, scratch)
        members_agree(options.repaq, options.fixtures, scratch)
    finally:
        shutil.rmtree(scratch)
    print("%d passed, %d failed" % (counts["passed"], counts["failed"]))
    return 1 if counts["failed"] else 0


sys.exit(main())
