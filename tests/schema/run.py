#!/usr/bin/env python3
"""Holds every schema, every fixture's documents and every output of repaq to schemas/ with a real validator, and the readers to the schemas in
the other direction: what a schema refuses, the reader refuses, and what it takes of a member the reader takes.

usage: run.py --repaq BIN --fixtures DIR          (needs python3-jsonschema)
"""
import argparse
import copy
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "malformed"))
from changes import AWQ, CT, DESCRIPTION, GPTQ, INDEX, MLX, MORE_VALUES, MS, MUTATIONS, PASSED_OVER, SHARDED, VALUES  # noqa: E402
from checkpoint import read_tensors, write_json, write_tensors  # noqa: E402
SCHEMAS = ROOT / "schemas"
counts = {"passed": 0, "failed": 0}


def check(name, good, why=""):
    counts["passed" if good else "failed"] += 1
    print(("ok   " if good else "FAIL ") + name + ("" if good else ": " + str(why)[:400]))


def load(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=None)
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


# The schema of each format's object in config.json, and the members that hold it.
CONFIGS = {"awq": ("awq", ["quantization_config"]), "gptq": ("gptq", ["quantization_config"]), "gptq_v2": ("gptq", ["quantization_config"]),
           "compressed-tensors": ("compressed-tensors", ["quantization_config"]), "mlx": ("mlx", ["quantization", "quantization_config"]),
           "hf": (None, []), "msmodelslim": (None, []), "bitsandbytes": (None, []), "fp8": (None, []), "mxfp4": (None, []), "meta": (None, [])}


def documents_are_valid(label, target, folder):
    """config.json, the side file, the index and the description of a directory of this format."""
    config = load(folder / "config.json") if (folder / "config.json").exists() else {}  # Meta's checkpoints have none
    schema, members = CONFIGS[target]
    found = [member for member in members if member in config]
    for member in found:
        valid("%s config.json/%s" % (label, member), schema, config[member])
    check("%s config.json has its object in all its places, or in none" % label, found in (members, []), found)
    for path in folder.glob("quantize_config.json"):
        valid(label + " " + path.name, "quantize_config", load(path))
    for path in folder.glob("*.index.json"):
        valid(label + " " + path.name, "index", load(path))
    for path in folder.glob("quant_model_description*.json"):
        valid(label + " " + path.name, "msmodelslim-description", load(path))
    return config, [config[member] for member in found]


# Fixtures that are broken on purpose still have sound documents; only what their weights hold is wrong.
def fixtures_are_valid(fixtures):
    for folder in sorted(path for path in fixtures.glob("*/*") if path.is_dir()):
        label, kind = folder.parent.name + "/" + folder.name, folder.parent.name.replace("compressed_", "compressed-")
        if kind == "gguf":  # one file, without documents
            continue
        _, objects = documents_are_valid(label, kind, folder)
        check(label + " has the config of its format", len(objects) == len(CONFIGS[kind][1]), objects)


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


TARGETS = (("hf",), ("msmodelslim",), ("msmodelslim", "--layout", "unpacked"), ("awq",), ("awq", "--group-size", "32"), ("gptq",), ("gptq_v2",),
           ("gptq_v2", "--keep", "layers.0.mlp"), ("gptq_v2", "--bits", "8"), ("compressed-tensors",), ("compressed-tensors", "--keep", "layers.0.mlp"),
           ("compressed-tensors", "--bits", "8"), ("mlx",), ("mlx", "--dtype", "f32"), ("mlx", "--dtype", "f32", "--keep", "layers.0.mlp"))


def mixed_widths(repaq, fixtures, scratch):
    """The 4-bit GPTQ fixture with 8 bits in one layer, as rules say it."""
    parts = []
    for bits in (4, 8):
        parts.append(scratch / "made" / ("gptq-%d" % bits))
        code, _ = run(repaq, "convert", fixtures / GPTQ, parts[-1], "--to", "gptq_v2", "--bits", bits)
        check("a part of the mixed checkpoint: %d bits" % bits, code == 0, code)
    narrow, wide = (read_tensors(part / "model.safetensors") for part in parts)
    write_tensors(parts[0] / "model.safetensors", {name: wide[name] if ".layers.1." in name else tensor for name, tensor in narrow.items()})
    config = load(parts[0] / "config.json")
    config["quantization_config"]["dynamic"] = {"+:.*layers\\.1\\.": {"bits": 8}}
    write_json(parts[0] / "config.json", config)
    for name in ("quantize_config.json", "repaq-manifest.json"):
        (parts[0] / name).unlink()
    return parts[0].rename(parts[0].parent / "mixed-widths")


def dynamic_activations(repaq, fixtures, scratch):
    """The static W8A8 fixture as compressed-tensors, without the scales of its activations."""
    folder = scratch / "made" / "w8a8-dynamic"
    code, _ = run(repaq, "convert", fixtures / "msmodelslim" / "ms-llama-w8a8-static-safe", folder, "--to", "compressed-tensors")
    check("static activations in compressed-tensors", code == 0, code)
    for path in folder.glob("*.safetensors"):
        write_tensors(path, {name: tensor for name, tensor in read_tensors(path).items() if ".input_" not in name})
    for path in folder.glob("*.index.json"):
        path.unlink()
    config = load(folder / "config.json")
    config["quantization_config"]["config_groups"]["group_0"]["input_activations"] = TOKENS
    write_json(folder / "config.json", config)
    (folder / "repaq-manifest.json").unlink()
    return folder


def outputs_are_valid(repaq, fixtures, scratch):
    reached = dict.fromkeys((target for target, *_ in TARGETS), 0)
    (scratch / "made").mkdir()
    sources = [path for path in sorted(fixtures.glob("*/*")) if path.is_dir() and not path.name.startswith("synth-")]
    for source in sources + [mixed_widths(repaq, fixtures, scratch), dynamic_activations(repaq, fixtures, scratch)]:
        label = source.parent.name + "/" + source.name
        output(repaq, "inspect " + label, "inspect", 0, "inspect", source)
        for target, *options in TARGETS:
            name = " ".join([target, *options])
            destination = scratch / ("%s-%s" % (source.name, name.replace(" ", "")))
            arguments = ("convert", source, destination, "--to", target, *options)
            code, _ = run(repaq, *arguments, "--dry-run")
            output(repaq, "convert --dry-run %s %s" % (label, name), "convert", code, *arguments, "--dry-run")
            done = output(repaq, "convert %s %s" % (label, name), "convert", code, *arguments)
            reached[target] += code == 0
            if code == 0:
                directory_is_valid("%s as %s" % (label, name), target, destination)
                output(repaq, "inspect %s as %s" % (label, name), "inspect", 0, "inspect", destination)
                output(repaq, "verify %s %s" % (label, name), "verify", int(done["classes"]["lossy"] > 0), "verify", source, destination)
                shutil.rmtree(destination)
    for target, count in reached.items():
        check("%d fixtures were written as %s" % (count, target), count >= 3 + (target != "hf"), count)
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


# What repaq writes is narrower than what it reads: required and optional members. Upstream refuses others in a scheme and its arguments.
ARGS = {"num_bits", "type", "symmetric", "strategy", "dynamic"}
WRITTEN = {
    "awq": ({"quant_method", "bits", "group_size", "zero_point", "version", "modules_to_not_convert"}, set()),
    "gptq": ({"bits", "group_size", "desc_act", "sym", "lm_head", "quant_method", "checkpoint_format", "pack_dtype"},
             {"dynamic", "modules_in_block_to_quantize"}),
    "compressed-tensors": ({"quant_method", "format", "quantization_status", "config_groups", "ignore", "kv_cache_scheme", "global_compression_ratio",
                            "version"}, set()),
    "scheme": ({"targets", "weights", "input_activations", "output_activations", "format"}, set()),
    "weights": (ARGS | {"group_size", "actorder"}, {"block_structure", "scale_dtype"}),
    "input_activations": (ARGS, {"group_size", "scale_dtype"}),
    "mlx": ({"group_size", "bits", "mode"}, set()),
    "mlx entry": ({"group_size", "bits"}, {"mode"}),
}


def members_are(label, what, document):
    required, optional = WRITTEN[what]
    check("%s: the members of %s that are promised and no others" % (label, what), required <= set(document) <= required | optional,
          set(document) ^ required)


def config_is_as_promised(label, schema, config):
    own = {name: value for name, value in config.items() if "." not in name and name != "lm_head"} if schema == "mlx" else config
    members_are(label, schema, own)
    for name in set(config) - set(own):
        if config[name] is not False:
            members_are(label, "mlx entry", config[name])
    for group in config.get("config_groups", {}).values():
        members_are(label, "scheme", group)
        members_are(label, "weights", group["weights"])
        if group["input_activations"] is not None:
            members_are(label, "input_activations", group["input_activations"])


def directory_is_valid(label, target, directory):
    config, objects = documents_are_valid(label, target, directory)
    if not objects:
        check(label + ": no quantization_config", "quantization_config" not in config and "quantization" not in config)
    for written in objects:
        config_is_as_promised(label, CONFIGS[target][0], written)
        check(label + ": the places of the config agree", written == objects[0])
    manifest = load(directory / "repaq-manifest.json")
    quantized = any(tensor["step"] == "codes" for tensor in manifest["tensors"].values())  # --keep can make floats of all
    check(label + ": a config exactly for quantized weights", bool(objects) == (quantized and bool(CONFIGS[target][1])), objects)
    if target.startswith("gptq") and objects:
        check(label + ": quantize_config.json equals config.json's object", load(directory / "quantize_config.json") == objects[0])
    if target == "msmodelslim" and quantized:
        check(label + ": one description", len(list(directory.glob("quant_model_description*.json"))) == 1)
    valid(label + " manifest", "manifest", manifest)


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


# What is compared: fixture, file, the member that the schema is for, the object inside it, and where in the schema its members are listed.
GROUP = ["config_groups", "group_0"]
TOKENS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "group_size": None, "dynamic": True}
OBJECTS = [
    (AWQ, "config.json", ["quantization_config"], [], "awq", None),
    (GPTQ, "config.json", ["quantization_config"], [], "gptq", None),
    (GPTQ, "quantize_config.json", [], [], "quantize_config", None),
    (CT, "config.json", ["quantization_config"], [], "compressed-tensors", None),
    (CT, "config.json", ["quantization_config"], GROUP, "compressed-tensors", "scheme"),
    (CT, "config.json", ["quantization_config"], GROUP + ["weights"], "compressed-tensors", "args"),
    (CT, "config.json", ["quantization_config"], GROUP + ["input_activations"], "compressed-tensors", "args"),
    (MLX, "config.json", ["quantization"], [], "mlx", None),
    (MLX, "config.json", ["quantization"], ["model.layers.0.mlp.up_proj"], "mlx", "entry"),
    (SHARDED, INDEX, [], [], "index", None),
    (MS, DESCRIPTION, [], [], "msmodelslim-description", None),
]


def at(document, path):
    for key in path:
        document = document[key]
    return document


def prepare(folder, file, schema, inner):
    """Makes the one document that is changed rule, with an object at each end of `inner`."""
    config = load(folder / "config.json")
    if schema == "quantize_config":  # alone: beside config.json's object it is only held against it
        del config["quantization_config"]
    if file == "config.json":
        (folder / "quantize_config.json").unlink(missing_ok=True)
    if inner[-1:] == ["input_activations"]:
        at(config, ["quantization_config"] + GROUP)["input_activations"] = TOKENS
    if schema == "mlx" and inner:
        config["quantization"][inner[0]] = {"group_size": 64, "bits": 4}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def members_agree(repaq, fixtures, scratch):
    """For each member and value: the schema refuses it exactly if the reader refuses the document. A refusal for what the weights hold is none."""
    for number, (fixture, file, path, inner, schema, listed) in enumerate(OBJECTS):
        folder = scratch / ("members-%d" % number)
        shutil.copytree(fixtures / fixture, folder)
        prepare(folder, file, schema, inner)
        label = "/".join([schema, *inner])
        original = (folder / file).read_text(encoding="utf-8")
        check("%s as it is: the reader takes it" % label, refusal(repaq, folder) is None, refusal(repaq, folder))
        table = load(SCHEMAS / (schema + ".json"))
        for member in (table["$defs"][listed] if listed else table)["properties"]:
            differing = []
            values = VALUES + MORE_VALUES.get(member, [])
            for value in values:
                document = json.loads(original)
                part = at(document, path)
                at(part, inner)[member] = value
                (folder / file).write_text(json.dumps(document), encoding="utf-8")
                error = refusal(repaq, folder)
                by_schema, by_reader = bool(errors(schema, part)), error is not None and error["where"].endswith(file)
                if by_schema != (error is not None) and (by_schema or by_reader):
                    differing.append((value, "schema " + ("refuses" if by_schema else "takes"), error and error["what"]))
            passed_over = (schema.replace("quantize_config", "gptq"), member) in PASSED_OVER
            check("%s, member %s: schema and reader agree on %d values" % (label, member, len(values)) + (", but for those passed over" * passed_over),
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
