#!/usr/bin/env python3
"""transformers loads what repaq writes as GGUF, and says what it says of the float weights. Run by scripts/oracle, inside its virtual environment.

    upstream_ggufload.py --repaq BINARY --models DIR --log FILE [--only TEXT]

Each of the shared models goes into GGUF (`--type auto`; float ones also as Q8_0), which transformers turns into floats by gguf-py, and into floats (`--to hf --dtype
f32`), which it takes as they are. Where repaq's report says that nothing was rounded, the logits are equal but for the last digits of F32; else they are as near as
scales rounded to F16 let them be. The tokenizer of the file gives the ids of the directory's. What repaq refuses must be among REFUSED.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import traceback
import warnings

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1", TOKENIZERS_PARALLELISM="false", NO_COLOR="1")
sys.dont_write_bytecode = True
sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))] # a gguf.py that is not the package lies there
warnings.filterwarnings("ignore")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

REFUSED = {"bnb-qwen2-nf4-double": "R-CODEBOOK", "ct-qwen2-w4a16-gptq-g128-sym-actgroup-gidx": "R-ACTORDER", "gptq-qwen2-4bit-g128-sym-descact": "R-ACTORDER",
           "ms-llama-w8a8-static-safe": "R-ACT", "ms-qwen2-v1-w8a8-dynamic-mixedfloat": "R-ACT"}
NEAR = {"exact": 1e-5, "rounded": 2e-3, "Q8_0": 3e-2} # of the largest logit
# None begins with a space: there transformers 5 gives a SentencePiece vocabulary of GGUF one piece less than sentencepiece and llama.cpp do.
TEXTS = ("Hello world, it's 2024!", "the  na\u00efve caf\u00e9\n\n\u65e5\u672c\u8a9e \U0001f600", "a  b   c\t1234567", "")


def repaq(options, *words):
    done = subprocess.run([options.repaq, "convert", *words, "--json"], capture_output=True, text=True, errors="replace")
    return json.loads(done.stdout)


def logits(folder, **how):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **how)
    with torch.no_grad():
        return model.eval()(torch.arange(5, 60)[None]).logits


def judge(options, scratch, name, kind):
    source = os.path.join(options.models, name)
    file = "%s-%s.gguf" % (name, kind)
    report = repaq(options, source, os.path.join(scratch, file), "--to", "gguf", "--type", kind)
    if "error" in report:
        said = json.dumps(report["error"])
        return [] if name in REFUSED and REFUSED[name] in said else ["refused: " + said]
    if name in REFUSED:
        return ["taken, which is new: REFUSED says " + REFUSED[name]]
    floats = os.path.join(scratch, name)
    if not os.path.exists(floats):
        found = repaq(options, source, floats, "--to", "hf", "--dtype", "f32")
        if "error" in found:
            return ["no floats: " + json.dumps(found["error"])]
    wanted, got = logits(floats), logits(scratch, gguf_file=file)
    near = NEAR[kind if kind in NEAR else "rounded" if report["classes"]["rounded"] else "exact"]
    apart, largest = float((got - wanted).abs().max()), float(wanted.abs().max())
    problems = [] if apart <= near * largest else ["logits differ by up to %g of %g, expected at most %g of them" % (apart, largest, near)]
    ours, theirs = AutoTokenizer.from_pretrained(scratch, gguf_file=file), AutoTokenizer.from_pretrained(floats)
    return problems + ["%r: ids %s, expected %s" % (text, ours(text).input_ids, theirs(text).input_ids) for text in TEXTS if ours(text).input_ids != theirs(text).input_ids]


def cases(options):
    for name in sorted(os.listdir(options.models)):
        path = os.path.join(options.models, name, "config.json")
        if name.startswith(("synth-", "edge-")) or not (os.path.exists(path) or os.path.exists(os.path.join(options.models, name, "params.json"))):
            continue # broken on purpose, or without an architecture
        yield name, "auto"
        if name in ("llama-tiny", "qwen2-tiny"):
            yield name, "Q8_0"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repaq", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--log", required=True)
    options = parser.parse_args()
    options.repaq = os.path.abspath(options.repaq)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    count = [0, 0]
    with tempfile.TemporaryDirectory(prefix="repaq-ggufload-") as scratch, open(options.log, "w", encoding="utf-8") as log:
        for name, kind in cases(options):
            title = "transformers loads GGUF: %s, %s" % (name, kind)
            if options.only not in title:
                continue
            try:
                problems = judge(options, scratch, name, kind)
            except Exception:
                problems = ["transformers ends with an error (see the log)"]
                log.write(traceback.format_exc())
            count[bool(problems)] += 1
            log.write("%s %s\n" % ("FAIL" if problems else "ok  ", title))
            print("%s %s" % ("FAIL" if problems else "ok  ", title), *problems, sep="\n     " if problems else "", flush=True)
    print("%d passed, %d failed, 0 skipped" % tuple(count))
    return 1 if count[1] else 0


if __name__ == "__main__":
    sys.exit(main())
