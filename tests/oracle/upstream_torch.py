#!/usr/bin/env python3
"""Lets torch write what repaq reads: torch.save in every variant, held against torch.load. Run by scripts/oracle, inside its virtual environment.

    upstream_torch.py --repaq BINARY [--models DIR] --log FILE [--only TEXT]

A state dict of random tensors (all dtypes, views, strides, shared storages, expanded and empty tensors, scalars, parameters) is saved as zip and as the older
stream, in protocols 1 to 5, bare and in wrappers; `repaq convert --to hf` of it must hold the same names, dtypes, shapes and bytes. Meta's layout is judged
by transformers' own convert_llama_weights_to_hf, its tokenizers by sentencepiece and tiktoken (upstream_metatokens.py).
"""
import argparse
import collections
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback
import zipfile

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
sys.dont_write_bytecode = True

import torch
from safetensors.torch import load_file

import upstream_metatokens

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]
NEWER = [name for name in ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64") if hasattr(torch, name)]


def fill(shape, dtype, rng):
    """Random bits; booleans are 0 or 1."""
    count = 1
    for size in shape:
        count *= size
    bytes_each = torch.empty((), dtype=dtype).element_size()
    raw = bytearray(rng.getrandbits(8) for _ in range(count * bytes_each))
    if dtype == torch.bool:
        raw = bytearray(byte & 1 for byte in raw)
    return torch.frombuffer(raw, dtype=dtype).reshape(shape).clone() if count else torch.empty(shape, dtype=dtype)


def state_of(seed):
    rng = random.Random(seed)
    state = collections.OrderedDict()
    for number, dtype in enumerate(DTYPES):
        state["plain.%d.weight" % number] = fill((rng.randint(1, 9), rng.randint(1, 9)), dtype, rng)
    for name in NEWER:
        state["newer.%s" % name] = fill((3, rng.randint(1, 40)), getattr(torch, name), rng)
    big = fill((rng.randint(40, 90), rng.randint(100, 300)), torch.float16, rng)
    state["view.rows"] = big[3:17]
    state["view.columns"] = big[:, 5:31]
    state["view.transposed"] = big.t()
    state["view.step"] = big[::3, ::2]
    state["view.same"] = big
    state["view.tied"] = big
    flat = fill((rng.randint(200, 400),), torch.bfloat16, rng)
    state["shared.a"] = flat[:96].view(8, 12)
    state["shared.b"] = flat[96:160].view(4, 16)
    state["shared.norm"] = flat[160:170]
    wide = fill((9, 2100), torch.float32, rng)
    state["long.transposed"] = wide.t()
    state["long.three"] = fill((2, 30, 70), torch.int32, rng).permute(2, 0, 1)
    state["channels"] = fill((4, 3, 5, 6), torch.float16, rng).contiguous(memory_format=torch.channels_last)
    state["expanded"] = fill((1, 7), torch.float32, rng).expand(5, 7)
    state["repeated"] = fill((6, 1), torch.float16, rng).expand(6, 3)
    state["scalar"] = fill((), torch.float32, rng)
    state["empty"] = torch.empty((0, 4), dtype=torch.float16)
    state["one"] = fill((1, 5), torch.float16, rng).as_strided((1, 5), (999, 1))
    state["parameter"] = torch.nn.Parameter(fill((3, 3), torch.float32, rng))
    return state


def raw(tensor):
    tensor = tensor.detach().contiguous()
    return bytes(tensor.flatten().view(torch.uint8).numpy().tobytes()) if tensor.numel() else b""


def differences(found, wanted):
    problems = ["%s is missing" % name for name in wanted if name not in found] + ["%s is too much" % name for name in found if name not in wanted]
    for name in sorted(set(found) & set(wanted)):
        a, b = found[name], wanted[name]
        if a.dtype != b.dtype or a.shape != b.shape:
            problems.append("%s: %s %s, expected %s %s" % (name, a.dtype, list(a.shape), b.dtype, list(b.shape)))
        elif raw(a) != raw(b):
            problems.append("%s: other bytes" % name)
    return problems


class Judge:
    def __init__(self, repaq, scratch, say, only):
        self.repaq, self.scratch, self.say, self.only = repaq, scratch, say, only

    def folder(self, name):
        path = os.path.join(self.scratch, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def convert(self, source, *options):
        out = os.path.join(self.scratch, "out")
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run([self.repaq, "convert", source, out, "--to", "hf", "--verify", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
        return out, done

    def made(self, arguments):
        """What is wrong with a run of repaq."""
        done = subprocess.run([self.repaq, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return [done.stderr.strip()] if done.returncode else []

    def equal(self, name, source, wanted, *options):
        if self.only not in name:
            return
        out, done = self.convert(source, *options)
        if done.returncode:
            return self.say(name, [done.stderr.strip()])
        return self.outcome(name, out, wanted)

    def outcome(self, name, out, wanted):
        found = {}
        for file in sorted(os.listdir(out)):
            if file.endswith(".safetensors"):
                found.update(load_file(os.path.join(out, file)))
        self.say(name, differences(found, wanted))

    def refused(self, name, source, code, word):
        if self.only not in name:
            return
        _, done = self.convert(source)
        said = done.stderr.strip()
        self.say(name, [] if done.returncode == code and word in said else ["exit %d: %s; expected %d and %r" % (done.returncode, said, code, word)])


def lay(judge, name, save):
    folder = judge.folder(name)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "llama"}, file)
    save(os.path.join(folder, "pytorch_model.bin"))
    return folder


def repack(path, method, change=None):
    """The same archive by another tool."""
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in change(members) if change else members:
            archive.writestr(name, data)


def big_endian(state):
    """What a big-endian machine would have saved: every storage's elements turned."""
    units = [tensor.element_size() for tensor in state.values()]

    def change(members):
        keys = {name.rsplit("/", 1)[1]: number for number, name in enumerate(n for n, _ in members if "/data/" in n)}
        for name, data in members:
            if name.endswith("/byteorder"):
                data = b"big"
            elif "/data/" in name:
                unit = units[int(keys[name.rsplit("/", 1)[1]])]
                data = b"".join(data[i:i + unit][::-1] for i in range(0, len(data), unit))
            yield name, data
    return change


def variants(judge):
    for seed in range(1, 4):
        state = state_of(seed)
        wanted = {name: tensor.detach() for name, tensor in state.items()}
        for protocol in (2, 3, 4, 5):
            judge.equal("torch: zip, protocol %d, seed %d" % (protocol, seed), lay(judge, "a", lambda path: torch.save(state, path, pickle_protocol=protocol)),
                        wanted)
        older = {name: tensor for name, tensor in state.items() if not name.startswith("newer.")}
        for protocol in (1, 2, 3, 4):
            judge.equal("torch: stream, protocol %d, seed %d" % (protocol, seed), lay(
                judge, "b", lambda path: torch.save(older, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)), {
                    name: tensor.detach() for name, tensor in older.items()})
    state = state_of(7)
    wanted = {name: tensor.detach() for name, tensor in state.items()}
    for key in ("model", "state_dict", "anything"):
        judge.equal("torch: in a wrapper, " + key, lay(judge, "c", lambda path: torch.save({"epoch": 3, key: state, "args": {"lr": 0.1}}, path)), wanted)
    judge.equal("torch: beside an optimizer", lay(judge, "d", lambda path: torch.save(
        {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}, path)), wanted)
    judge.equal("torch: nested dicts", lay(judge, "e", lambda path: torch.save({"a": torch.ones(2), "b": {"c": torch.zeros(3), "d": {"e": torch.ones(1)}}},
                                                                               path)), {"a": torch.ones(2), "b.c": torch.zeros(3), "b.d.e": torch.ones(1)})
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.LayerNorm(4))
    judge.equal("torch: a module's state_dict, with _metadata", lay(judge, "f", lambda path: torch.save(module.state_dict(), path)), module.state_dict())
    plain = {"t%d" % n: fill((4, 6), dtype, random.Random(n)) for n, dtype in enumerate(DTYPES)}
    folder = lay(judge, "g", lambda path: torch.save(plain, path))
    repack(os.path.join(folder, "pytorch_model.bin"), zipfile.ZIP_STORED, big_endian(plain))
    judge.equal("torch: big-endian", folder, plain)
    folder = lay(judge, "h", lambda path: torch.save(plain, path))
    repack(os.path.join(folder, "pytorch_model.bin"), zipfile.ZIP_STORED)
    judge.equal("torch: packed again, stored", folder, plain)
    folder = lay(judge, "i", lambda path: torch.save(state, path))
    repack(os.path.join(folder, "pytorch_model.bin"), zipfile.ZIP_DEFLATED)
    judge.equal("torch: packed again, deflated", folder, wanted)


def refusals(judge):
    save = lambda value: (lambda path: torch.save(value, path))
    weight = torch.randn(3, 4)
    judge.refused("torch: quantized tensor", lay(judge, "q", save({"w": torch.quantize_per_tensor(weight, 0.1, 3, torch.qint8)})), 5, "_rebuild_qtensor")
    judge.refused("torch: sparse tensor", lay(judge, "q", save({"w": weight.to_sparse()})), 5, "sparse")
    judge.refused("torch: meta tensor", lay(judge, "q", save({"w": torch.empty(3, device="meta")})), 5, "meta")
    judge.refused("torch: conjugated view", lay(judge, "q", save({"w": torch.view_as_complex(torch.randn(3, 2)).conj()})), 5, "conjugated")
    judge.refused("torch: a whole module", lay(judge, "q", save(torch.nn.Linear(3, 4))), 5, "torch.nn.modules.linear.Linear")
    judge.refused("torch: argparse.Namespace", lay(judge, "q", save({"w": weight, "args": argparse.Namespace(a=1)})), 5, "argparse.Namespace")
    judge.refused("torch: two dicts of tensors", lay(judge, "q", save({"x": {"w": weight}, "y": {"w": weight}})), 5, "2 dicts")
    judge.refused("torch: tensors in a list", lay(judge, "q", save({"w": weight, "all": [weight]})), 5, "in a list")
    judge.refused("torch: TorchScript", lay(judge, "q", lambda path: torch.jit.save(torch.jit.script(torch.nn.Linear(3, 4)), path)), 5, "TorchScript")


# --- Meta's layout ----------------------------------------------------------------------------------------------------------------------


def meta_state(params, vocab, hidden, dtype, seed):
    rng = random.Random(seed)
    dim, head = params["dim"], params["dim"] // params["n_heads"]
    kv = head * (params.get("n_kv_heads") or params["n_heads"])
    state = {"tok_embeddings.weight": (vocab, dim), "norm.weight": (dim,), "output.weight": (vocab, dim)}
    for layer in range(params["n_layers"]):
        shapes = {"attention.wq": (dim, dim), "attention.wk": (kv, dim), "attention.wv": (kv, dim), "attention.wo": (dim, dim), "feed_forward.w1": (hidden, dim),
                  "feed_forward.w2": (dim, hidden), "feed_forward.w3": (hidden, dim), "attention_norm": (dim,), "ffn_norm": (dim,)}
        state.update({"layers.%d.%s.weight" % (layer, name): shape for name, shape in shapes.items()})
    finite = lambda shape: torch.tensor([rng.gauss(0, 1) for _ in range(torch.Size(shape).numel())]).reshape(shape).to(dtype)
    return {name: finite(shape) for name, shape in state.items()}


def meta_save(folder, params, state, shards, embedding):
    """Meta's shards: all tensors of a layer lie in one storage, as in its own files."""
    axis = {"wq": 0, "wk": 0, "wv": 0, "w1": 0, "w3": 0, "output": 0, "wo": 1, "w2": 1, "tok_embeddings": embedding}
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "params.json"), "w", encoding="utf-8") as file:
        json.dump(params, file)
    for shard in range(shards):
        parts = {}
        for name, tensor in state.items():
            cut = axis.get(name.split(".")[-2])
            parts[name] = tensor if cut is None else tensor.chunk(shards, cut)[shard].contiguous()
        flat = torch.cat([part.flatten() for part in parts.values()])
        at, saved = 0, {"rope.freqs": torch.ones(4)}
        for name, part in parts.items():
            saved[name] = flat[at:at + part.numel()].view(part.shape)
            at += part.numel()
        torch.save(saved, os.path.join(folder, "consolidated.%02d.pth" % shard))


def llama_script():
    """transformers' own converter; its tokenizer half is not needed."""
    path = os.environ["REPAQ_LLAMA_SCRIPT"]
    spec = importlib.util.spec_from_file_location("convert_llama_weights_to_hf", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def meta(judge, models):
    if judge.only not in "meta":
        return
    script = llama_script()
    # title, params, vocab, hidden, shards, axis of the embedding, dtype, version
    cases = [("1, one file", {"dim": 64, "n_layers": 2, "n_heads": 4, "norm_eps": 1e-6, "vocab_size": -1, "multiple_of": 32}, 96, 192, 1, 1, torch.float16, "1"),
             ("2, grouped, two files", {"dim": 64, "n_layers": 2, "n_heads": 8, "n_kv_heads": 4, "norm_eps": 1e-5, "vocab_size": -1, "multiple_of": 32}, 96, 192, 2,
              1, torch.bfloat16, "2"),
             ("2, eight files", {"dim": 128, "n_layers": 1, "n_heads": 16, "n_kv_heads": 8, "norm_eps": 1e-5, "vocab_size": 96, "multiple_of": 64,
                                 "ffn_dim_multiplier": 1.3}, 96, 448, 8, 1, torch.bfloat16, "2"),
             ("code", {"dim": 64, "n_layers": 1, "n_heads": 4, "norm_eps": 1e-5, "vocab_size": 96, "multiple_of": 32, "rope_theta": 1000000}, 96, 192, 2, 1,
              torch.bfloat16, "2"),
             ("3.1, four files", {"dim": 64, "n_layers": 2, "n_heads": 8, "n_kv_heads": 4, "norm_eps": 1e-5, "vocab_size": 96, "multiple_of": 32,
                                  "rope_theta": 500000.0, "use_scaled_rope": True}, 96, 192, 4, 0, torch.bfloat16, "3.1")]
    for number, (title, params, vocab, hidden, shards, axis, dtype, version) in enumerate(cases):
        folder, theirs = judge.folder("meta-in"), judge.folder("meta-theirs")
        meta_save(folder, params, meta_state(params, vocab, hidden, dtype, number), shards, axis)
        script.write_model(theirs, folder, "7B", llama_version=version, vocab_size=vocab, num_shards=shards)
        wanted = {}
        for file in sorted(os.listdir(theirs)):
            if file.endswith(".safetensors"):
                wanted.update(load_file(os.path.join(theirs, file)))
        judge.equal("meta: LLaMA %s, --dtype bf16 equal to transformers' converter" % title, folder, wanted, "--dtype", "bf16")
        drop_in = os.path.join(judge.scratch, "drop-in")
        shutil.rmtree(drop_in, ignore_errors=True)
        done = subprocess.run([judge.repaq, "convert_llama_weights_to_hf", "--input_dir", folder, "--output_dir", drop_in, "--num_shards", str(shards), "--llama_version",
                               version], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            judge.say("meta: LLaMA %s, drop-in" % title, [done.stderr.strip()])
            continue
        judge.outcome("meta: LLaMA %s, drop-in" % title, drop_in, wanted)
        judge.say("meta: LLaMA %s, config" % title, configs_differ(theirs, drop_in))
    for name in sorted(os.listdir(models)) if models else []:
        if name.startswith("llama-tiny-meta"):
            judge.equal("meta: %s equal to llama-tiny" % name, os.path.join(models, name), load_file(os.path.join(models, "llama-tiny", "model.safetensors")))
        if name == "llama-tiny-bin-sharded":
            judge.equal("torch: %s equal to llama-tiny" % name, os.path.join(models, name), load_file(os.path.join(models, "llama-tiny", "model.safetensors")))


def configs_differ(theirs, ours):
    """As transformers reads both; what only a release of it writes is none of the model."""
    from transformers import AutoConfig
    a, b = (AutoConfig.from_pretrained(path).to_dict() for path in (theirs, ours))
    skipped = {"_name_or_path", "transformers_version", "torch_dtype", "dtype"}
    return ["%s: %r, expected %r" % (key, b.get(key), a.get(key)) for key in sorted(set(a) | set(b)) if key not in skipped and a.get(key) != b.get(key)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--repaq", required=True)
    p.add_argument("--models")
    p.add_argument("--only", default="")
    p.add_argument("--log", required=True, help="what the upstream packages print")
    a = p.parse_args()
    out = os.fdopen(os.dup(1), "w")
    log = os.open(a.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    tally = {"ok  ": 0, "FAIL": 0}

    def say(name, problems):
        verdict = "FAIL" if problems else "ok  "
        tally[verdict] += 1
        print("%s %s%s" % (verdict, name, "".join("\n     " + problem for problem in problems[:4])), file=out, flush=True)

    torch.set_num_threads(1)
    scratch = tempfile.mkdtemp(prefix="repaq-torch-")
    try:
        judge = Judge(os.path.abspath(a.repaq), scratch, say, a.only)
        variants(judge)
        refusals(judge)
        meta(judge, a.models)
        if a.only in "meta tokenizer":
            upstream_metatokens.judge_all(judge, a.models, scratch, meta_save, meta_state)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("%d passed, %d failed, 0 skipped" % (tally["ok  "], tally["FAIL"]), file=out, flush=True)
    return 1 if tally["FAIL"] else 0


if __name__ == "__main__":
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
        code = 2
    sys.stderr.flush()
    os._exit(code)
