"""Tokenizers of Meta's checkpoints: the tokenizer.json that repaq makes of tokenizer.model gives the ids of the tool that the file is for: sentencepiece's for
LLaMA 1 and 2, tiktoken's for LLaMA 3; through transformers' AutoTokenizer and through tokenizers alone, and decodes them to the text."""
import base64
import importlib.util
import json
import os
import random
import re

import torch

# Several writing systems, blanks at both ends, what no vocabulary has, digits, and words that share pieces.
TEXTS = ["Hello world", "  two  blanks\n\nx \u00e9moji \U0001f999\U0001f1e9\U0001f1ea\t3333 I'Ll e\u0301 \u4e2d\u6587 ", " ", "a", "\n\n\n  tail   ",
         "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0928\u092e\u0938\u094d\u0924\u0947 \u3053\u3093\u306b\u3061\u306f "
         "\uc548\ub155\ud558\uc138\uc694 \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u03b5\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
         "it's WE'LL don't 1234567 $3.14 x==y{}[];\r\n\r\n\tfor (i = 0; i < 10; ++i)", "\u00df\u017f\u2167 \u200d\u200b\ufeff \u2028 \uff21\uff22 \ud7a3 \U0010ffff"]
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def params(vocab, **more):
    return dict({"dim": 32, "n_layers": 1, "n_heads": 4, "norm_eps": 1e-5, "vocab_size": vocab, "multiple_of": 32}, **more)


def ids_differ(folder, encode, bos, texts):
    """What is wrong with the tokenizer files of `folder`. encode(text): the ids that there should be, without BOS."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer
    alone, whole, problems = Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), AutoTokenizer.from_pretrained(folder), []
    for text in texts:
        wanted = encode(text)
        for title, found in (("tokenizers", alone.encode(text, add_special_tokens=False).ids), ("transformers", whole.encode(text, add_special_tokens=False))):
            if found != wanted:
                problems.append("%s: %r gives %s, expected %s" % (title, text[:30], found[:20], wanted[:20]))
        if whole.encode(text) != [bos] + wanted:
            problems.append("no BOS in front: %r" % text[:30])
        if whole.decode(whole.encode(text), skip_special_tokens=True) != text:
            problems.append("%r is decoded to %r" % (text[:30], whole.decode(whole.encode(text), skip_special_tokens=True)[:30]))
    return problems


def learn(text, count):
    """Ranks of byte pairs, as tiktoken has them: all bytes, then `count` pairs by frequency among the words of a text."""
    words = {}
    for word in re.findall(r" ?\w+| ?[^\w\s]+|\s+", text):
        key = tuple(bytes([byte]) for byte in word.encode())
        words[key] = words.get(key, 0) + 1
    ranks = {bytes([byte]): rank for rank, byte in enumerate(list(range(33, 127)) + [each for each in range(256) if not 33 <= each < 127])}
    for _ in range(count):
        pairs = {}
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + times
        if not pairs:  # every word is one token
            break
        best = max(sorted(pairs), key=lambda pair: pairs[pair])
        ranks.setdefault(best[0] + best[1], len(ranks))
        joined = {}
        for word, times in words.items():
            made, at = [], 0
            while at < len(word):
                pair = word[at:at + 2] == best
                made.append(best[0] + best[1] if pair else word[at])
                at += 2 if pair else 1
            joined[tuple(made)] = joined.get(tuple(made), 0) + times
        words = joined
    return ranks


def judge_ranks(judge, text, save, state):
    import tiktoken
    ranks = learn(text[:20000], 500)
    with_specials = len(ranks) + 256
    for version, more, turn in (("3.1", {"use_scaled_rope": True, "rope_theta": 500000.0}, "<|eot_id|>"), ("3", {"rope_theta": 500000.0}, "<|eot_id|>")):
        source, made = judge.folder("meta-in"), os.path.join(judge.folder("meta-out"), "made")
        save(source, params(with_specials, **more), state(params(with_specials), with_specials, 64, torch.bfloat16, 3), 1, 0)
        with open(os.path.join(source, "tokenizer.model"), "wb") as file:
            file.write(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
        problems = judge.made(["convert_llama_weights_to_hf", "--input_dir", source, "--output_dir", made, "--llama_version", version])
        if not problems:
            encoding = tiktoken.Encoding("llama3", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
            problems = ids_differ(made, encoding.encode, len(ranks), TEXTS + [text[:5000]])
            with open(os.path.join(made, "tokenizer.json"), encoding="utf-8") as file:
                added = {token["content"]: token["id"] for token in json.load(file)["added_tokens"]}
            place = {"3": 9, "3.1": 9}[version]
            problems += [] if len(added) == 256 and added[turn] == len(ranks) + place else ["special tokens: %d, %s at %s" % (len(added), turn, added.get(turn))]
        judge.say("meta: tokenizer of LLaMA %s as tiktoken's" % version, problems)


def judge_sentencepiece(judge, text, scratch, save, state):
    import sentencepiece
    corpus = os.path.join(scratch, "corpus.txt")
    with open(corpus, "w", encoding="utf-8") as file:
        file.write(text[:60000] + "\n" + "\n".join(TEXTS))
    plain = {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "split_digits": True,
             "allow_whitespace_only_pieces": True, "minloglevel": 2, "character_coverage": 0.995}
    cases = [("as LLaMA's", {}), ("with tokens of the user's", {"user_defined_symbols": ["<turn>", "ab cd"]}), ("without a prefix", {"add_dummy_prefix": False})]
    for title, more in cases:
        source, made = judge.folder("meta-in"), os.path.join(judge.folder("meta-out"), "made")
        sentencepiece.SentencePieceTrainer.train(input=corpus, model_prefix=os.path.join(source, "tokenizer"), vocab_size=900, **dict(plain, **more))
        os.remove(os.path.join(source, "tokenizer.vocab"))
        processor = sentencepiece.SentencePieceProcessor(model_file=os.path.join(source, "tokenizer.model"))
        save(source, params(-1), state(params(900), 900, 64, torch.float16, 5), 1, 1)
        problems = judge.made(["convert", source, made, "--to", "hf"])
        problems = problems or ids_differ(made, processor.encode, processor.bos_id(), TEXTS + [text[:20000]])
        judge.say("meta: tokenizer of sentencepiece, %s" % title, problems)
    for title, more in (("unigram", {"model_type": "unigram"}), ("a table of replacements", {"normalization_rule_name": "nmt_nfkc"}),
                        ("extra blanks removed", {"remove_extra_whitespaces": True})):
        source, made = judge.folder("meta-in"), os.path.join(judge.folder("meta-out"), "made")
        sentencepiece.SentencePieceTrainer.train(input=corpus, model_prefix=os.path.join(source, "tokenizer"), vocab_size=900, **dict(plain, **more))
        save(source, params(-1), state(params(900), 900, 64, torch.float16, 5), 1, 1)
        problems = judge.made(["convert", source, made, "--to", "hf"])
        there = [name for name in ("tokenizer.json", "tokenizer_config.json") if os.path.exists(os.path.join(made, name))]
        judge.say("meta: no tokenizer.json of sentencepiece, %s" % title, problems or there)


def judge_all(judge, models, scratch, save, state):
    """`save` and `state` lay Meta's shards (upstream_torch)."""
    if importlib.util.find_spec("sentencepiece") is None or importlib.util.find_spec("tiktoken") is None:
        return judge.say("meta: tokenizers", ["the packages sentencepiece and tiktoken are not there"])
    rng = random.Random("metatokens")
    words = " ".join(TEXTS).split() + ["the", "there", "then", "other", "others", "another", "1999", "(x)"]
    words += ["".join(rng.choice("aeioubcdfglmnprstvz") for _ in range(rng.randint(2, 9))) for _ in range(3000)]
    text = "\n".join(" ".join(rng.choice(words) for _ in range(12)) for _ in range(1000))  # SentencePiece leaves long lines out
    if models and os.path.isfile(os.path.join(models, "heldout.txt")):
        with open(os.path.join(models, "heldout.txt"), encoding="utf-8") as file:
            text = file.read()
    judge_ranks(judge, text, save, state)
    judge_sentencepiece(judge, text, scratch, save, state)
    for name in sorted(os.listdir(models)) if models else []:
        if name.startswith("llama-tiny-meta"):
            import sentencepiece
            made = os.path.join(judge.folder("meta-out"), "made")
            processor = sentencepiece.SentencePieceProcessor(model_file=os.path.join(models, name, "tokenizer.model"))
            problems = judge.made(["convert", os.path.join(models, name), made, "--to", "hf"])
            judge.say("meta: tokenizer of %s" % name, problems or ids_differ(made, processor.encode, processor.bos_id(), TEXTS + [text[:20000]]))
    return None
