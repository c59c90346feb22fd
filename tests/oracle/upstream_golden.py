#!/usr/bin/env python3
"""What llama.cpp's convert_hf_to_gguf made of the shared models, byte for byte, and transformers on what comes back.

    upstream_golden.py --repaq BINARY --models DIR --golden DIR [--only TEXT]

Each outtype's file must have the SHA-256 that the manifest in golden/convert records. Then the file of outtype auto goes back --to hf, and transformers must give
the tokens of a text and the logits of its first 200 tokens that it gives for the original directory."""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

MODELS = ("llama-tiny", "qwen2-tiny")


def convert(repaq, *arguments):
    done = subprocess.run([repaq, "convert", *arguments], capture_output=True, text=True, timeout=300)
    return None if done.returncode == 0 else "exit %d: %s" % (done.returncode, done.stderr.strip())


def same_model(ours, theirs, text):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    tokens = [AutoTokenizer.from_pretrained(folder)(text)["input_ids"] for folder in (ours, theirs)]
    if tokens[0] != tokens[1]:
        return "other tokens"
    logits = []
    for folder in (ours, theirs):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        with torch.no_grad():
            logits.append(model(torch.tensor([tokens[0][:200]])).logits)
    return None if torch.equal(*logits) else "logits differ by up to %g" % (logits[0] - logits[1]).abs().max()


def inner(folder, name):
    """The folder that holds `name`: the archives have one of their own inside."""
    return next((path for path in (folder, os.path.join(folder, os.path.basename(folder))) if os.path.exists(os.path.join(path, name))), folder)


def judge(options, scratch):
    options.models, options.golden = inner(options.models, MODELS[0]), inner(options.golden, "convert")
    for model in MODELS:
        with open(os.path.join(options.golden, "convert", model + ".manifest.json"), encoding="utf-8") as stream:
            results = json.load(stream)["results"]
        for result in results:
            made = os.path.join(scratch, model + ".gguf")
            wrong = convert(options.repaq, os.path.join(options.models, model), made, "--to", "gguf", "--type", result["outtype"], "--force")
            if wrong is None:
                with open(made, "rb") as stream:
                    found = hashlib.sha256(stream.read()).hexdigest()
                wrong = None if found == result["output"]["sha256"] else "another file than llama.cpp's"
            yield "golden %s to gguf %s" % (model, result["outtype"]), wrong
        back = os.path.join(scratch, model)
        wrong = convert(options.repaq, os.path.join(options.models, model), made, "--to", "gguf", "--force") or convert(options.repaq, made, back, "--to", "hf")
        with open(os.path.join(options.models, "heldout.txt"), encoding="utf-8") as stream:
            text = stream.read()[:20000]
        yield "golden %s back from gguf: tokens and logits" % model, wrong or same_model(back, os.path.join(options.models, model), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repaq", required=True, type=os.path.abspath)
    parser.add_argument("--models", required=True)
    parser.add_argument("--golden", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--log", help="where messages of the libraries go")
    options = parser.parse_args()
    if options.log:
        os.dup2(os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 2)
    scratch, passed, failed = tempfile.mkdtemp(prefix="repaq-golden-"), 0, 0
    try:
        for name, wrong in judge(options, scratch):
            if options.only not in name:
                continue
            print(("ok   " + name) if wrong is None else "FAIL %s: %s" % (name, wrong), flush=True)
            passed, failed = passed + (wrong is None), failed + (wrong is not None)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
