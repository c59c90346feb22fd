#!/usr/bin/env python3
"""upstream_pretokens.py --repaq BINARY --probe PROBE --programs DIR --log FILE [--models DIR] [--only TEXT]: pre-tokenizers that go from GGUF back to tokenizer.json.

For every name of a pre-tokenizer in llama.cpp's sources: a GGUF file whose vocabulary was trained on text that nothing cut, so that its merges would run across
every cut, and random text of many scripts, digits, blanks, marks and emoji. The ids that the tokenizers package finds with the rebuilt tokenizer.json must be
llama-tokenize's. Texts are composed (NFC), as llama.cpp normalizes none. Where llama.cpp only comes near the family's own patterns, which the rebuilt file has,
the texts are of the letters for which both agree. Files of real vocabularies with the ids of the original tokenizers (models/ggml-vocab-*.gguf.inp and .out of a
llama.cpp checkout) are asked as well, where REPAQ_LLAMA_CPP has them."""
import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unicodedata

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(os.environ["REPAQ_LLAMA_CPP"], "gguf-py")]

import gguf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

NOT_MADE = {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"}
# Letters beyond ASCII are of both cases at once, digits beyond it are none (superbpe).
ASCII = {"gpt-4o", "granite-embed-multi-97m", "kanana2", "llama4", "minimax-m2", "superbpe", "talkie", "tekken"}
# Digits that are counted from the right (a group takes what stands before it along), case that is not seen, a class of Han of its own.
LOWER = {"afmoe", "cohere2moe", "kimi-k2", "tiny_aya", "youtu"}
# Blanks beyond ASCII are a vertical tab where a pattern has no categories; the ranges of Deepseek's do hold some of them.
NARROW = {"deepseek-coder", "deepseek-llm"}
LETTERS = ["abcdefghij", "ABCDEFGHIJ", "\u00e0\u00e9\u00ee\u00f5\u00fc\u00df\u00f8", "\u00c0\u00c9\u00ce\u00d5\u00dc", "\u0430\u0431\u0432\u0433\u0434\u0436", "\u0410\u0411\u0412\u0413",
           "\u03b1\u03b2\u03b3\u03b4", "\u4f60\u597d\u4e16\u754c\u6211\u60f3", "\u3042\u3044\u3046\u304b", "\u30a2\u30a4\u30a6", "\ud55c\uad6d\uc5b4\uac00", "\u0e01\u0e02\u0e04\u0e08\u0e2a\u0e27\u0e31",
           "\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u1780\u17b6\u1793\u178f\u17c2", "\u01c5\u01c8", "\u02b0\u02b2", "\uff21\uff22\uff41", "\ufb01"]
DIGITS = ["0123456789"] * 4 + ["\u0660\u0661\u0662", "\u0967\u0968", "\u00bd\u00b2", "\u2160\u2161"]
MARKS = ["!\"#%&'()*,-./:;?@[\\]_{}", "$+<=>^`|~"] * 3 + ["\uff0c\u3002\uff01\u3001", "\u2026\u2014\u201c\u201d\u2018", "\u00a1\u00bf\u00a7", "\u20ac\u00a3\u00a9\u00b0\u00b1", "\u2500\u2502\u2022"]
BLANKS = [" "] * 4 + ["  ", "   ", "\n", "\n\n", "\t", "\r\n", "\r", " \n", "\n ", "\t\t ", "\v", "\f"]
WIDE_BLANKS = ["\u00a0", "\u3000", "\u2003"]
OTHER = ["\U0001f680", "\U0001f636\u200d\U0001f32b\ufe0f", "\U0001f44d\U0001f3fd", "\u200b", "\u0301", "\u0e31", "\u093f", "'s", "'re", "'ve", "'ll", "'D", "'RE", "'lL", "n't", "''"]
COUNTS = {"passed": 0, "failed": 0, "skipped": 0}


def report(name, problem):
    COUNTS["failed" if problem else "passed"] += 1
    print("%s %s%s" % ("FAIL" if problem else "ok  ", name, ": " + str(problem)[:600] if problem else ""), flush=True)


def texts(seed, count, name=""):
    pick = random.Random(seed)
    plain = name in ASCII or name in LOWER
    letters = LETTERS[:1] if name in LOWER else LETTERS[:2] if plain else LETTERS
    parts = [(letters, 5, 40)] + ([] if name in LOWER else [(DIGITS[:1] if plain else DIGITS, 9, 12)]) + [(MARKS[:2] if plain else MARKS, 4, 14)]
    blanks = BLANKS if plain or name in NARROW else BLANKS + WIDE_BLANKS
    kinds, weights = [*parts, None, *([] if plain else [OTHER])], [*(part[2] for part in parts), 20, *([] if plain else [9])]

    def chunk():
        kind = pick.choices(kinds, weights)[0]
        if kind is None or kind is OTHER:
            return pick.choice(kind or blanks)
        alphabet = pick.choice(kind[0])
        return "".join(pick.choice(alphabet) for _ in range(pick.randint(1, kind[1])))
    return [unicodedata.normalize("NFC", "".join(chunk() for _ in range(pick.randint(1, 24)))) for _ in range(count)]


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.train_from_iterator(texts(1, 30000), trainers.BpeTrainer(vocab_size=12000, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
                                                                       show_progress=False, max_token_length=12))
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [" ".join(merge) for merge in model["merges"]]


def write(path, pre, tokens, merges):
    """Two more tokens: what stands between the texts, and the end."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(64)
    writer.add_block_count(1)
    writer.add_feed_forward_length(128)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens + ["<|between|>", "<|end|>"])
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens) + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) + 1)
    writer.add_eos_token_id(len(tokens) + 1)
    writer.add_add_bos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def rebuild(options, path, folder):
    run = subprocess.run([options.probe, "rebuild", path, folder], capture_output=True, text=True, check=False)
    return None if run.returncode else Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), run.stdout.strip()


def llama_ids(options, path, samples, between):
    """llama-tokenize's ids of each text: all in one run, with a token between them."""
    place = path + ".txt"
    pathlib.Path(place).write_text("<|between|>".join(samples), encoding="utf-8", newline="")
    run = subprocess.run([os.path.join(options.programs, "llama-tokenize"), "-m", path, "-f", place, "--ids", "--no-escape", "--log-disable"],
                         capture_output=True, text=True, check=False, env=dict(os.environ, GGML_NO_BACKTRACE="1"))
    if run.returncode:
        return run.stderr.strip()[-300:]
    found = [[]]
    for token in json.loads(run.stdout):
        if token == between:
            found.append([])
        else:
            found[-1].append(token)
    return found


def differ(tokenizer, samples, wanted):
    for text, right in sorted(zip(samples, wanted), key=lambda pair: len(pair[0])):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        if ids != right:
            return "%r: %s, expected %s" % (text, [tokenizer.id_to_token(token) for token in ids], [tokenizer.id_to_token(token) for token in right])
    return ""


def judge(options, name, model):
    samples = texts(2, 1500, name)
    with tempfile.TemporaryDirectory(prefix="repaq-pretokens-") as scratch:
        path = os.path.join(scratch, "vocabulary.gguf")
        write(path, name, *model)
        tokenizer, output = rebuild(options, path, scratch)
        if tokenizer is None or name in NOT_MADE:
            return report("pre-tokenizer " + name, "" if tokenizer is None and name in NOT_MADE else output or "made")
        wanted = llama_ids(options, path, samples, len(model[0]))
        return report("pre-tokenizer " + name, wanted if isinstance(wanted, str) else differ(tokenizer, samples, wanted))


def real(options, path):
    """Vocabularies of real models, with what their own tokenizers make of texts."""
    name = path.name.removeprefix("ggml-vocab-").removesuffix(".gguf.inp")
    samples = path.read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    wanted = [[int(token) for token in line.split()] for line in pathlib.Path(str(path)[:-3] + "out").read_text(encoding="utf-8").split("\n")]
    with tempfile.TemporaryDirectory(prefix="repaq-pretokens-") as scratch:
        tokenizer, output = rebuild(options, str(path)[:-4], scratch)
        if tokenizer is None:
            COUNTS["skipped"] += 1
            return print("skip vocabulary %s: %s" % (name, output), flush=True)
        composed = [(text, right) for text, right in zip(samples, wanted) if unicodedata.is_normalized("NFC", text)]
        return report("vocabulary " + name, differ(tokenizer, *zip(*composed)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--repaq", "--probe", "--programs", "--log", "--models"):
        parser.add_argument(option)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    source = pathlib.Path(os.environ["REPAQ_LLAMA_CPP"])
    names = sorted(set(re.findall(r'tokenizer_pre == "([^"]+)"', (source / "src" / "llama-vocab.cpp").read_text(encoding="utf-8"))))
    names = [name for name in names if options.only in "pre-tokenizer " + name]
    model = train() if names else None
    for name in names:
        judge(options, name, model)
    for path in sorted((source / "models").glob("ggml-vocab-*.gguf.inp")):
        if options.only in "vocabulary " + path.name:
            real(options, path)
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % COUNTS)
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
