#!/usr/bin/env python3
"""Lets llama.cpp's own converter judge `repaq convert --to gguf`: random tiny models of every family. Run by scripts/oracle, inside its virtual environment.

    upstream_gguf.py --repaq BINARY --log FILE [--models DIR] [--only TEXT]        REPAQ_LLAMA_CPP names an unpacked llama.cpp

transformers makes the models and saves them; both converters make a GGUF file of them, in every type. Names, order, shapes, types and bytes of all tensors must
be equal, and so must all pairs but tokenizer.*, with their types and order: the models have no vocabulary to speak of, and llama.cpp's converter is told so.
Its files of floats go to Hugging Face's format, where transformers must give the original's logits, and back: the same tensors, and the same pairs but those of
general.* that name the model.
"""
import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false", NO_COLOR="1")
sys.dont_write_bytecode = True
sys.path[:0] = [os.environ["REPAQ_LLAMA_CPP"], os.path.join(os.environ["REPAQ_LLAMA_CPP"], "gguf-py")]

import gguf
import numpy as np
import safetensors.torch
import torch
import transformers
from conversion import ModelBase, get_model_class

transformers.logging.set_verbosity_error()
ROWS = 264  # of embeddings; the tokenizer has 258 tokens
SMALL = {"vocab_size": ROWS, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
         "max_position_embeddings": 256, "head_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
ODD = {**SMALL, "hidden_size": 80, "intermediate_size": 72, "num_attention_heads": 5, "num_key_value_heads": 1}
WIDE = {**SMALL, "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "head_dim": 64}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
THETA = {"rope_theta": 10000.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_theta": 500000.0}
LONG = {"rope_type": "longrope", "long_factor": [1.0 + k / 3 for k in range(8)], "short_factor": [1.0 + k / 70 for k in range(8)],
        "original_max_position_embeddings": 128, "rope_theta": 10000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 10000.0}
OSS = {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 64}
OSS_YARN = {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False, "original_max_position_embeddings": 4096}
MXFP4 = {"quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router",
                                                                                    "model.embed_tokens", "lm_head"]}}
LAYERS = {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}

# name, class, config, what config.json says instead (None: nothing), the dtype
CASES = [
    ("llama", "Llama", SMALL, {}, "bfloat16"),
    ("llama-odd", "Llama", ODD, {}, "float16"),
    ("llama-bias", "Llama", {**SMALL, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}, {}, "float32"),
    ("llama-llama3", "Llama", {**SMALL, "rope_parameters": LLAMA3}, {}, "bfloat16"),
    ("llama-llama3-wide", "Llama", {**SMALL, "head_dim": 128, "rope_parameters": {**LLAMA3, "factor": 32.0}}, {}, "float16"),
    ("llama-llama3-old", "Llama", {**SMALL, "head_dim": 64}, {"rope_parameters": None, "rope_theta": 500000.0, "rope_scaling":
        {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}, "bfloat16"),
    ("llama-llama3-defaults", "Llama", {**SMALL, "head_dim": 96}, {"rope_parameters": {"rope_type": "llama3", "rope_theta": 250000}}, "bfloat16"),
    ("llama-linear", "Llama", {**SMALL, "rope_parameters": {"rope_type": "linear", "factor": 2.5, **THETA}}, {}, "float16"),
    ("llama-dynamic", "Llama", {**SMALL, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, **THETA}}, {}, "float16"),
    ("llama-linear-old", "Llama", SMALL, {"rope_parameters": None, "rope_theta": 20000, "rope_scaling": {"type": "linear", "factor": 4}}, "float16"),
    ("llama-yarn", "Llama", {**SMALL, "rope_parameters": YARN}, {}, "float16"),
    ("llama-yarn-all", "Llama", {**SMALL, "rope_parameters": {**YARN, "attention_factor": 0.75, "beta_fast": 31.0, "beta_slow": 2.0}}, {}, "float16"),
    ("mistral", "Mistral", {**SMALL, "sliding_window": 64}, {}, "bfloat16"),
    ("mixtral", "Mixtral", {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}, {}, "bfloat16"),
    ("qwen2", "Qwen2", SMALL, {}, "bfloat16"),
    ("qwen2-tied", "Qwen2", {**ODD, "tie_word_embeddings": True}, {}, "float16"),
    ("qwen2-yarn", "Qwen2", {**SMALL, "rope_parameters": YARN}, {}, "float16"),
    ("qwen2-moe", "Qwen2Moe", {**SMALL, **EXPERTS, "shared_expert_intermediate_size": 64}, {}, "bfloat16"),
    ("qwen3", "Qwen3", SMALL, {}, "bfloat16"),
    ("qwen3-tied", "Qwen3", {**ODD, "tie_word_embeddings": True}, {}, "float32"),
    ("qwen3-moe", "Qwen3Moe", {**SMALL, **EXPERTS, "norm_topk_prob": True}, {}, "bfloat16"),
    ("gemma", "Gemma", SMALL, {}, "bfloat16"),
    ("gemma2", "Gemma2", {**SMALL, "sliding_window": 64, "query_pre_attn_scalar": 16}, {}, "float16"),
    ("gemma3", "Gemma3", {**SMALL, "sliding_window": 64, "query_pre_attn_scalar": 16, "rope_parameters": LAYERS}, {}, "bfloat16"),
    ("gemma3-old", "Gemma3", {**SMALL, "sliding_window": 64, "query_pre_attn_scalar": 16}, {"rope_parameters": None, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0}, "float32"),
    ("phi3", "Phi3", SMALL, {}, "bfloat16"),
    ("phi3-part", "Phi3", {**SMALL, "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.75, **THETA}}, {}, "bfloat16"),
    ("phi3-long", "Phi3", {**SMALL, "rope_parameters": LONG}, {}, "float16"),
    ("phi3-long-old", "Phi3", {**SMALL, "original_max_position_embeddings": 128}, {"rope_parameters": None, "rope_theta": 10000.0, "rope_scaling":
        {"type": "su", "long_factor": [1.5] * 8, "short_factor": [1.25] * 8}}, "bfloat16"),
    ("gpt-oss", "GptOss", OSS, MXFP4, "bfloat16"),
    ("gpt-oss-old", "GptOss", {**OSS, "hidden_size": 128, "num_hidden_layers": 12},  # layers beyond 9: they go by name
        {**MXFP4, "rope_parameters": None, "rope_theta": 150000, "rope_scaling": OSS_YARN, "swiglu_limit": 7.0}, "float16"),
    ("gpt-oss-float", "GptOss", {**OSS, "rope_parameters": {**OSS_YARN, "rope_theta": 150000.0}}, {}, "bfloat16"),
    ("gpt-oss-float-odd", "GptOss", {**ODD, "num_local_experts": 3, "num_experts_per_tok": 2, "sliding_window": 32}, {}, "float32"),
]
NAMES = {"Gemma3": "Gemma3Text"}  # of the Config, where it is not the model's
TYPES = {"F32": gguf.LlamaFileType.ALL_F32, "F16": gguf.LlamaFileType.MOSTLY_F16, "BF16": gguf.LlamaFileType.MOSTLY_BF16,
         "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}


def write_tokenizer(folder):
    """Byte-level BPE without merges: one token a byte, and two that are special."""
    letters = [chr(c) for c in range(33, 127)] + [chr(c) for c in range(161, 173)] + [chr(c) for c in range(174, 256)]
    letters += [chr(256 + k) for k in range(256 - len(letters))]
    special = [{"id": 256 + k, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
               for k, text in enumerate(("<s>", "</s>"))]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    document = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None, "pre_tokenizer": level,
                "post_processor": None, "decoder": level, "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                                                                    "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                                                                    "vocab": {letter: number for number, letter in enumerate(letters)}, "merges": []}}
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(document, file)
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}, file)


def code(folder):
    """Float stacks of experts become MXFP4: every code, and scale bytes with which the model still has finite logits."""
    path = os.path.join(folder, "model.safetensors")
    tensors = {}
    for name, tensor in safetensors.torch.load_file(path).items():
        if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            tensors[name] = tensor
            continue
        experts, columns, rows = tensor.shape
        tensors[name + "_blocks"] = torch.randint(0, 256, (experts, rows, columns // 32, 16), dtype=torch.uint8)
        tensors[name + "_scales"] = torch.randint(110, 124, (experts, rows, columns // 32), dtype=torch.uint8)
        tensors[name + "_scales"].view(-1)[:3] = torch.tensor([0, 1, 125], dtype=torch.uint8)
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def make(folder, name, config, changes, dtype):
    """A model of random weights, biases and norms included; saved as transformers saves it."""
    torch.manual_seed(len(folder) + sum(map(ord, name)))
    settings = getattr(transformers, NAMES.get(name, name) + "Config")(**config)
    model = getattr(transformers, name + "ForCausalLM")(settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.05)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    write_tokenizer(folder)
    if "quantization_config" in changes:
        code(folder)
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    document = {key: value for key, value in {**document, **changes}.items() if value is not None or key not in changes}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)


def convert_upstream(folder, out, kind, vocab_only=False, **options):
    hparams = ModelBase.load_hparams(Path(folder), False)
    kept = get_model_class(hparams["architectures"][0])
    mute = type("Mute" + kept.__name__, (kept,), {"model_arch": kept.model_arch, "set_vocab": lambda self: None})
    with torch.inference_mode(), open(os.devnull, "w", encoding="utf-8") as null, contextlib.redirect_stderr(null):
        instance = mute(Path(folder), kind, Path(out), **options)
        instance.write_vocab() if vocab_only else instance.write()


def pairs_of(reader):
    """[(key, types, value)] in the file's order, without what counts the file itself and without the tokenizer."""
    return [(field.name, [int(kind) for kind in field.types], field.contents()) for field in reader.fields.values()
            if not field.name.startswith(("GGUF.", "tokenizer."))]


def differences(found, wanted):
    mine, theirs = gguf.GGUFReader(found), gguf.GGUFReader(wanted)
    a, b = pairs_of(mine), pairs_of(theirs)
    problems = ["%s: %r, expected %r" % (key, dict((p[0], p) for p in a).get(key), dict((p[0], p) for p in b).get(key))
                for key in dict.fromkeys([p[0] for p in b] + [p[0] for p in a]) if dict((p[0], p) for p in a).get(key) != dict((p[0], p) for p in b).get(key)]
    if not problems and a != b:
        problems.append("order of keys %s, expected %s" % ([p[0] for p in a], [p[0] for p in b]))
    names, expected = [t.name for t in mine.tensors], [t.name for t in theirs.tensors]
    if names != expected:
        problems.append("tensors missing %s, too many %s, or in another order" % ([n for n in expected if n not in names], [n for n in names if n not in expected]))
    for one, other in zip(mine.tensors, theirs.tensors):
        if one.name == other.name and (one.tensor_type != other.tensor_type or list(one.shape) != list(other.shape)):
            problems.append("%s: %s %s, expected %s %s" % (one.name, one.tensor_type, list(one.shape), other.tensor_type, list(other.shape)))
        elif one.name == other.name and one.data.tobytes() != other.data.tobytes():
            wrong = np.count_nonzero(np.frombuffer(one.data.tobytes(), np.uint8) != np.frombuffer(other.data.tobytes(), np.uint8))
            problems.append("%s: %d of %d bytes differ" % (one.name, wrong, one.data.nbytes))
    return problems


def judge(repaq, scratch, case, say):
    name, kind, config, changes, dtype = case
    folder = os.path.join(scratch, name)
    os.makedirs(folder)
    make(folder, kind, config, changes, dtype)
    for label, filetype in TYPES.items():
        mine, theirs = os.path.join(scratch, "mine.gguf"), os.path.join(scratch, "theirs.gguf")
        convert_upstream(folder, theirs, filetype)
        done = subprocess.run([repaq, "convert", folder, mine, "--to", "gguf", "--type", label, "--force"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
        say("gguf %s %s" % (name, label), [done.stderr.strip()] if done.returncode else differences(mine, theirs))
        if kind == "GptOss":
            if label != "Q8_0": # rounded anew where the source is floats
                say("gguf %s %s verify" % (name, label), ["nothing to verify"] if done.returncode else verified(repaq, folder, mine))
            say("gguf %s %s to hf" % (name, label), refused(repaq, theirs, os.path.join(scratch, "back"), "R-EXPERTS"))
        elif label != "Q8_0":
            say("gguf %s %s there and back" % (name, label), there_and_back(repaq, scratch, theirs))
        if label == "F32" and kind != "GptOss":
            say("gguf %s logits of what comes back" % name, same_logits(folder, os.path.join(scratch, "back"), kind.startswith("Gemma") and dtype == "float16"))
    shutil.rmtree(folder)


def same_logits(original, made, halved):
    """transformers loads both directories in F32. Some configs are none that it takes, and only the converter does. `halved`: norms of F16 that GGUF holds as
    1 + weight, which the converter adds in F16: what comes back is the sum, less 1."""
    def logits(folder):
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for name, weight in model.named_parameters() if halved and folder == original else ():
            if "norm" in name:
                weight.data = (weight.data.half() + 1).float() - 1
        with torch.no_grad():
            return model((torch.arange(1, 61).reshape(1, 60) * 7) % 250).logits
    try:
        wanted = logits(original)
    except (KeyError, ValueError):
        return []
    found = logits(made)
    tokens = min(wanted.shape[-1], found.shape[-1])  # Gemma 3's embedding is cut
    found = [wanted[..., :tokens], found[..., :tokens]]
    return [] if torch.equal(*found) else ["differ by up to %g" % (found[0] - found[1]).abs().max()]


def verified(repaq, a, b):
    done = subprocess.run([repaq, "verify", a, b], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return [] if done.returncode == 0 else [done.stdout.strip(), done.stderr.strip()]


def refused(repaq, path, directory, word):
    """No float checkpoint has gate and up apart in stacks."""
    shutil.rmtree(directory, ignore_errors=True)
    done = subprocess.run([repaq, "convert", path, directory, "--to", "hf"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return [] if done.returncode == 5 and word in done.stderr else ["exit %d, expected 5 and %s: %s" % (done.returncode, word, done.stderr.strip())]


def there_and_back(repaq, scratch, path):
    """The file as a directory of Hugging Face's and that as a file again: tensors and pairs are the same but for what general.* says of the model's name."""
    directory, again = os.path.join(scratch, "back"), os.path.join(scratch, "again.gguf")
    shutil.rmtree(directory, ignore_errors=True)
    for command in ([path, directory, "--to", "hf"], [directory, again, "--to", "gguf", "--force"]):
        done = subprocess.run([repaq, "convert", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            return [done.stderr.strip()]
    mine, theirs = gguf.GGUFReader(again), gguf.GGUFReader(path)
    kept = lambda reader: {key: (types, value) for key, types, value in pairs_of(reader)
                           if not key.startswith("general.") or key in ("general.architecture", "general.file_type")}
    a, b = kept(mine), kept(theirs)
    problems = ["%s: %r, expected %r" % (key, a.get(key), b.get(key)) for key in sorted(set(a) | set(b)) if a.get(key) != b.get(key)]
    a, b = ({t.name: (t.tensor_type, list(t.shape), t.data.tobytes()) for t in reader.tensors} for reader in (mine, theirs))
    return problems + ["%s differs" % name for name in sorted(set(a) | set(b)) if a.get(name) != b.get(name)]


OUTTYPES = {"auto": gguf.LlamaFileType.GUESSED, "f32": gguf.LlamaFileType.ALL_F32, "tq1_0": gguf.LlamaFileType.MOSTLY_TQ1_0,
            "tq2_0": gguf.LlamaFileType.MOSTLY_TQ2_0}
CARD = """---
license: apache-2.0
license_name: some
language:
- en
- no
base_model: Qwen/Qwen2.5-0.5B-Instruct
datasets:
- someone/data-set_v2
- https://huggingface.co/datasets/one
- https://example.org/x
tags: [chat, 'two words']
pipeline_tag: text-generation
model_creator: "Some One"
version: v7
url: https://example.org/model
model_type: mytype
---
# A model
"""
OVERRIDES = {"general.author": "Else", "general.doi": "10.1/2", "general.base_models": [{"name": "Base", "repo_url": "x"}, {"organization": "Org"}],
             "general.sampling.top_k": 7, "general.tags": ["only"], "general.description": "Words."}
# directory, class, config, dtype, what both converters are told: the drop-in names its file as the original does
NAMED = [
    ("Tiny-0.1M-Instruct-v1.2", "Llama", SMALL, "bfloat16", {}),
    ("My.Model_chat", "Qwen2", SMALL, "float16", {}),
    ("plain", "Llama", SMALL, "float32", {}),
    ("plain", "Mixtral", {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}, "bfloat16", {"model_name": "Given Name/2"}),
    ("Carded-0.1M-v3", "Llama", SMALL, "bfloat16", {"card": CARD}),
    ("Carded-0.1M-v3", "Qwen2", SMALL, "bfloat16", {"card": CARD, "overrides": OVERRIDES}),
    ("Overridden", "Qwen2", SMALL, "bfloat16", {"overrides": OVERRIDES, "model_name": "N"}),
    ("Split-2B", "Llama", SMALL, "float16", {"split_max_tensors": 7, "words": ["--split-max-tensors", "7"]}),
    ("Split.5", "Qwen2", SMALL, "bfloat16", {"split_max_size": 20000, "words": ["--split-max-size", "20K"]}),
    ("Bare-First", "Llama", SMALL, "float16", {"split_max_tensors": 13, "small_first_shard": True,
                                               "words": ["--split-max-tensors", "13", "--no-tensor-first-split"]}),
    ("Vocab-0.1B-v2", "Qwen2", SMALL, "bfloat16", {"vocab_only": True, "words": ["--vocab-only"]}),
    ("Big", "Llama", SMALL, "float16", {"is_big_endian": True, "words": ["--bigendian"]}),
    ("Mixed-dtypes", "Qwen2", SMALL, "bfloat16", {"mixed": True}),
    ("Oss-0.1B-v1", "GptOss", OSS, "bfloat16", {"changes": MXFP4}),
    ("Oss-float", "GptOss", OSS, "float16", {}),
    ("Ternary", "Llama", WIDE, "float16", {"type": "tq1_0"}),
    ("Ternary-2", "Mixtral", {**WIDE, "num_local_experts": 2, "num_experts_per_tok": 1}, "bfloat16", {"type": "tq2_0"}),
    ("Ternary-odd", "Qwen2", {**WIDE, "intermediate_size": 384}, "bfloat16", {"type": "tq2_0"}),     # rows that are no whole blocks
    ("Small", "Llama", WIDE, "bfloat16", {"fp8": True}),
    ("Small-as-Q8", "Llama", WIDE, "bfloat16", {"fp8": True, "fp8_as_q8": True, "words": ["--fp8-as-q8"]}),
    ("Small-as-Q8", "Llama", WIDE, "float16", {"fp8": True, "type": "f32", "fp8_as_q8": True, "words": ["--fp8-as-q8"]}),
    ("licenses", "Qwen2", SMALL, "bfloat16", {"card": "---\nlicense: [mit, x]\nbase_model: [a/b, c]\nlanguages: fr\n---\n"}),
]


def make_small(folder):
    """Matrices of layers become FP8 in blocks of 128 x 128, as DeepSeek has them."""
    path = os.path.join(folder, "model.safetensors")
    tensors = {}
    for name, tensor in safetensors.torch.load_file(path).items():
        if not name.endswith("_proj.weight"):
            tensors[name] = tensor
            continue
        scale = torch.rand(-(-tensor.shape[0] // 128), -(-tensor.shape[1] // 128)) * 0.001 + 0.0001
        spread = scale.repeat_interleave(128, 0)[:tensor.shape[0]].repeat_interleave(128, 1)[:, :tensor.shape[1]]
        tensors[name], tensors[name + "_scale_inv"] = (tensor.float() / spread).clamp(-448, 448).to(torch.float8_e4m3fn), scale
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    config = Path(folder) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), "quantization_config": {
        "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}}), encoding="utf-8")


def judge_drop_in(repaq, scratch, case, say):
    name, kind, config, dtype, options = case
    folder, mine, theirs = (os.path.join(scratch, part) for part in (name, "mine", "theirs"))
    for place in (folder, mine, theirs):
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
    options = dict(options)
    make(folder, kind, config, options.pop("changes", {}), dtype)
    card, words, label = options.pop("card", None), options.pop("words", []), options.pop("type", "auto")
    if options.pop("fp8", False):
        make_small(folder)
    if options.pop("mixed", False):  # safetensors writes tensors of wider types first
        path = os.path.join(folder, "model.safetensors")
        tensors = safetensors.torch.load_file(path)
        safetensors.torch.save_file({n: t.float() if "q_proj" in n or "norm" in n else t for n, t in tensors.items()}, path, metadata={"format": "pt"})
    if card:
        with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
            file.write(card)
    if "overrides" in options:
        options["metadata_override"] = Path(scratch) / "overrides.json"
        options["metadata_override"].write_text(json.dumps(options.pop("overrides")), encoding="utf-8")
    convert_upstream(folder, theirs, OUTTYPES[label], **options)
    command = [repaq, "convert_hf_to_gguf", folder, "--outfile", mine, "--outtype", label] + (["--model-name", options["model_name"]] if "model_name" in options else [])
    command += ["--metadata", str(options["metadata_override"])] if "metadata_override" in options else []
    command += words
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    problems = [done.stderr.strip()] if done.returncode else []
    names = sorted(os.listdir(theirs))
    if not problems and sorted(os.listdir(mine)) != names:
        problems.append("named %s, expected %s" % (sorted(os.listdir(mine)), names))
    for file in names if not problems else []:
        problems += differences(os.path.join(mine, file), os.path.join(theirs, file))
    say("gguf drop-in %s %s" % (name, kind), problems)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repaq", required=True)
    parser.add_argument("--models")
    parser.add_argument("--log", required=True)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    counts = {"passed": 0, "failed": 0}
    with open(args.log, "w", encoding="utf-8") as log, tempfile.TemporaryDirectory() as scratch:

        def say(name, problems):
            counts["failed" if problems else "passed"] += 1
            print("%s %s" % ("FAIL" if problems else "ok  ", name), file=log, flush=True)
            if problems:
                print("FAIL %s\n     %s" % (name, "\n     ".join(problems[:8])), flush=True)

        for case in CASES:
            if args.only in "gguf " + case[0]:
                try:
                    judge(os.path.abspath(args.repaq), scratch, case, say)
                except Exception:
                    say("gguf " + case[0], [traceback.format_exc()])
        for case in NAMED:
            if args.only in "gguf drop-in " + case[0]:
                try:
                    judge_drop_in(os.path.abspath(args.repaq), scratch, case, say)
                except Exception:
                    say("gguf drop-in " + case[0], [traceback.format_exc()])
    print("%d passed, %d failed, 0 skipped" % (counts["passed"], counts["failed"]))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
