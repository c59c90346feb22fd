"""Tokenizers that went through repaq, asked for the ids of texts: transformers' and sentencepiece's of directories, llama.cpp's (llama-tokenize) of GGUF files.

What transformers makes of the directory is what all must give: llama.cpp of the GGUF file that repaq makes of it, transformers and sentencepiece of the directory
that repaq makes of that file, and llama.cpp of the file that repaq makes of that directory. SmolLM2's way begins with a GGUF file; llama.cpp is the measure there.
The texts are composed (NFC), as llama.cpp normalizes none, and begin without a blank, which transformers and sentencepiece take differently."""
import json
import os
import shutil
import subprocess

TEXTS = {
    "prose": "The quick brown fox doesn't jump: it's 1234567 metres (or 3.14e-5 \u00b5m) away; we'll see what they've got, shan't we?",
    "languages": "Stra\u00dfe, na\u00efve \u00e9t\u00e9 \u2014 \u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5. \u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f\u4e16\u754c \ud55c\uad6d\uc5b4 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 "
                 "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u0928\u092e\u0938\u094d\u0924\u0947 \u0b9a\u0bca\u0bb2\u0bcd \u10e1\u10d0\u10e5\u10d0\u10e0\u10d7\u10d5\u10d4\u10da\u10dd",
    "marks": "\u00e9 \u00f1 \U0001f999\U0001f3fd\u200d\U0001f680 \u00bd\u00b2 \u0661\u0662\u0663 \u2160 \ufb01 \u00a0\u3000\u200b|",
    "blanks": "one  two   three\n\n\nfour\r\n\tfive \t \n six  \n",
    "code": "for (int i = 0; i < n; i++) {\n    a[i] += b[i] * 0x1F; // \u00fcber\n}\n\nif x == 10000:\n\treturn {'k': [1, 22, 333, 4444]}",
    "specials": "<s>[INST] a </s> <|im_start|>user\nb<|im_end|>\n<|endoftext|>c <unk> <pad>",
}


def transformers_ids(folder, text):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(folder).encode(text)


def sentencepiece_ids(folder, text):
    from sentencepiece import SentencePieceProcessor
    model = SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    return [model.bos_id(), *model.encode(text)]


class Tokens:
    def __init__(self, run):
        self.run, self.place = run, os.path.join(run.scratch, "tokens")
        shutil.rmtree(self.place, ignore_errors=True)
        os.makedirs(self.place)

    def llama_ids(self, path, text):
        with open(os.path.join(self.place, "text"), "w", encoding="utf-8", newline="") as file:
            file.write(text)
        done = self.run.program("llama-tokenize", ["-m", path, "-f", "text", "--ids", "--no-escape", "--log-disable"], self.place)
        if done.returncode != 0:
            raise RuntimeError("llama-tokenize of %s: exit %d, %s" % (os.path.basename(path), done.returncode, done.stderr.strip()[-300:]))
        return json.loads(done.stdout)

    def convert(self, source, name, *options):
        out = os.path.join(self.place, name)
        done = subprocess.run([self.run.repaq, "convert", source, out, "--progress", "never", *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError("repaq convert %s: %s" % (name, done.stderr.strip()))
        return out

    def judge(self, name, first, texts):
        """`first` is a directory, or a GGUF file; what is made of it goes round once."""
        blocks = self.convert(first, "first.gguf", "--to", "gguf", "--type", "F16") if os.path.isdir(first) else first
        folder = self.convert(blocks, "again", "--to", "hf")
        again = self.convert(folder, "second.gguf", "--to", "gguf", "--type", "F16")
        pieces = os.path.exists(os.path.join(folder, "tokenizer.model"))
        for label, text in texts.items():
            ids = self.llama_ids(blocks, text)
            wanted = transformers_ids(first, text) if blocks != first else ids
            checks = [("transformers, there and back", transformers_ids(folder, text), wanted), ("llama.cpp, there and back", self.llama_ids(again, text), ids)]
            if not pieces or label != "specials":   # which llama.cpp puts a blank behind, and sentencepiece finds in no text
                checks.append(("llama.cpp", ids, wanted))
                checks += [("sentencepiece, there and back", sentencepiece_ids(folder, text), wanted)] if pieces else []
            self.run.say("ids of %s, %s" % (name, label), ["%s: %s, expected %s" % (who, found[:40], right[:40]) for who, found, right in checks if found != right])
        shutil.rmtree(self.place)


def cases(run, options):
    with open(os.path.join(options.models, "heldout.txt"), encoding="utf-8") as file:
        texts = {**TEXTS, "held-out text": file.read(8192)}
    sources = {name: os.path.join(options.models, name) for name in ("llama-tiny", "qwen2-tiny")}
    sources["smollm2"] = options.smollm
    return [("ids of " + name, lambda name=name, path=path: Tokens(run).judge(name, path, texts)) for name, path in sources.items() if run.wanted("ids of " + name)]
