#!/usr/bin/env python3
"""Holds every schema, every fixture's documents and every output of repaq to schemas/ with a real validator, and the readers to the schemas in
the other direction: what a schema refuses, the reader refuses.

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
        text = path.read_text(encoding="utf-8")
        check("schema %s is a self-contained 2020-12 schema" % path.stem, sound and '"$ref": "http' not in text and ".json#" not in text, document)


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
    output(repaq, "inspect --hash", "inspect", 0, "inspect", "--hash", edge)
    output(repaq, "inspect of nothing", "inspect", 3, "inspect", scratch / "nothing")
    output(repaq, "convert --verify", "convert", 0, "convert", edge, scratch / "verified", "--to", "awq", "--verify")
    output(repaq, "convert into an existing directory", "convert", 2, "convert", edge, scratch / "verified", "--to", "awq")
    output(repaq, "verify of different checkpoints", "verify", 1, "verify", fixtures / "awq" / "awq-qwen2-4bit-g128",
           fixtures / "gptq" / "gptq-qwen2-4bit-g128-sym")
    output(repaq, "formats", "formats", 0, "formats")
    names = [row["name"] for row in json.loads(run(repaq, "formats", "--json")[1])["formats"]]
    for a in names:
        for b in names:
            output(repaq, "formats --from %s --to %s" % (a, b), "formats", 0, "formats", "--from", a, "--to", b)
    output(repaq, "formats of an unknown one", "formats", 2, "formats", "--from", "exl9", "--to", "awq")
    output(repaq, "index", "index-command", 0, "index", fixtures / "hf" / "tiny-float-sharded")
    output(repaq, "index of nothing", "index-command", 3, "index", scratch / "nothing")


def directory_is_valid(label, target, directory):
    config = load(directory / "config.json")
    if target == "hf":
        check(label + ": no quantization_config", "quantization_config" not in config)
    else:
        valid(label + " config.json", target.split("_")[0], config["quantization_config"])
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
    (SHARDED, INDEX, [], "index", "no weight_map", removing("weight_map")),
    (SHARDED, INDEX, [], "index", "weight_map a list", setting("weight_map", [])),
    (SHARDED, INDEX, [], "index", "a shard that is a number", setting("weight_map", "model.norm.weight", 1)),
    (SHARDED, INDEX, [], "index", "a shard outside", setting("weight_map", "model.norm.weight", "../model-00002-of-00002.safetensors")),
    (SHARDED, INDEX, [], "index", "an absolute shard", setting("weight_map", "model.norm.weight", "/model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard on a drive", setting("weight_map", "model.norm.weight", "C:model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard of another kind", setting("weight_map", "model.norm.weight", "model.bin")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an entry that is a number", setting("lm_head.weight", 4)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an unknown type", setting("lm_head.weight", "W5A16")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a W8A8 type", setting("lm_head.weight", "W8A8")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an unknown version", setting("version", "2.0.0")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a negative group_size", setting("group_size", -1)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "group_size a string", setting("group_size", "32")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a quantized cache", setting("kv_quant_type", "C8")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a rotation", setting("optional", {"quarot": {}})),
]


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
        change(part)
        check("%s, %s: the schema refuses it" % (fixture, label), not errors(schema, before) and bool(errors(schema, part)), part)
        (folder / file).write_text(json.dumps(document), encoding="utf-8")
        code, _ = run(repaq, "inspect", folder)
        check("%s, %s: the reader refuses it" % (fixture, label), code in (4, 5), "exit %d" % code)
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
    finally:
        shutil.rmtree(scratch)
    print("%d passed, %d failed" % (counts["passed"], counts["failed"]))
    return 1 if counts["failed"] else 0


sys.exit(main())
