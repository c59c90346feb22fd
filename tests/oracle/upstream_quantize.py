"""`repaq llama-quantize` against llama-quantize, whole files byte for byte: what the golden manifests (tests/quantize) do not hold.

Both programs run with the same words on the same relative names, as the name of the importance matrix stands in the output. What the one refuses, the other must
refuse. Sources: the tiny models in F16, every type of block as a source, and SmolLM2-135M, whose rows of 576 no K or I type divides. Importance matrices are made
by llama-imatrix, as GGUF and in the older format. Without --all each thirteenth of the tiny models' cases is run, and the types that are in use most of SmolLM2-135M's."""
import filecmp
import os
import shutil
import subprocess

PLAIN = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K",
         "IQ4_NL", "IQ4_XS", "IQ3_S", "IQ3_M", "TQ1_0", "TQ2_0", "Q1_0", "Q2_0", "MXFP4_MOE")
NEEDY = ("Q2_K_S", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS")       # they demand an importance matrix
TENSORS = ("f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_K", "q3_K", "q4_K", "q5_K", "q6_K", "iq4_nl", "iq4_xs", "iq3_s", "iq3_xxs",
           "iq2_xxs", "iq2_xs", "iq2_s", "iq1_s", "iq1_m", "tq1_0", "tq2_0", "mxfp4", "nvfp4", "q1_0", "q2_0")
OVERRIDES = ("general.name=str:renamed", "x.int=int:-7", "x.large=int:4294967295", "x.float=float:0.1", "x.no=bool:false", "general.file_type=int:3",
             "tokenizer.ggml.add_bos_token=bool:true")
TYPES_FILE = "attn_q=q8_0\nffn_up=q6_K  attn_output=q5_1\n\nffn_down=iq4_nl"
PATTERNS = ("\\Attn_\\v", "\\h", "\\z", "\\Qattn", "[[:alpha:]]_up", "(?:attn|no)_v.*?w", "\\x61ttn", "t{2}n_v", "[^\\d]_v", "\\battn", "(t)\\1n", "(?!attn)", "^blk.0", "t$",
            "[a-]tt", "a{2", "(?i)attn", "(?<n>a)", "(?>a)", "\\p{L}", "\\61", "[[:<:]]a", "t{,2}n")
MOST_USED = ("Q4_0", "Q8_0", "Q4_K_M", "Q6_K", "IQ4_XS")
STEP = 13
IMATRIX = ("-c", "128", "--chunks", "20", "--no-ppl", "-t", "1")


class Programs:
    """llama.cpp's programs and repaq beside each other, in two folders of one scratch directory."""

    def __init__(self, options, scratch, say):
        self.repaq, self.programs, self.only, self.scratch, self.say = options.repaq, options.programs, options.only, scratch, say
        self.all, self.count = options.all, 0

    def wanted(self, name):
        return self.only in name

    def program(self, name, words, place):
        return subprocess.run([os.path.join(self.programs, name), *words], cwd=place, capture_output=True, text=True, errors="replace", check=False,
                              env=dict(os.environ, GGML_NO_BACKTRACE="1"))

    def ours(self, words, place):
        return subprocess.run([self.repaq, "llama-quantize", *words], cwd=place, capture_output=True, text=True, check=False)

    def sometimes(self, name, place, words):
        """A case that is one of many."""
        self.count += 1
        if self.all or self.only or self.count % STEP == 0:
            self.same(name, place, words)

    def same(self, name, place, words):
        """One set of words through both; OUT stands for the output."""
        if not self.wanted(name):
            return
        ours, theirs = "ours.gguf", "theirs.gguf"
        for path in (ours, theirs):
            if os.path.exists(os.path.join(place, path)):
                os.remove(os.path.join(place, path))
        upstream = self.program("llama-quantize", [theirs if word == "OUT" else word for word in words], place)
        done = self.ours([ours if word == "OUT" else word for word in words], place)
        if upstream.returncode != 0:
            self.say(name, [] if done.returncode != 0 else ["accepted, and llama-quantize refuses: " + upstream.stderr.strip()[-300:]])
        elif done.returncode != 0:
            self.say(name, [done.stderr.strip()])
        else:
            self.say(name, [] if filecmp.cmp(os.path.join(place, ours), os.path.join(place, theirs), shallow=False) else ["other bytes: " + " ".join(words)])


def requantized(run, name, place, source):
    """Blocks as a source: every type into floats, into a mix, and copied."""
    for kind in (PLAIN + NEEDY)[::1 if run.all else STEP]:
        middle = "middle.gguf"
        if not run.wanted("%s from %s to" % (name, kind)) and run.only:
            continue
        made = run.program("llama-quantize", ["--imatrix", "imatrix.gguf", source, middle, kind, "2"], place)
        if made.returncode != 0:
            run.say("%s from %s" % (name, kind), ["llama-quantize cannot make it: " + made.stderr.strip()[-300:]])
            continue
        for target in ("F32", "F16", "Q4_K_M", "COPY"):
            run.same("%s from %s to %s" % (name, kind, target), place, ["--allow-requantize", middle, "OUT", target, "2"])
        run.same("%s from %s to Q4_K_M, not allowed" % (name, kind), place, [middle, "OUT", "Q4_K_M", "2"])


def tiny(run, name, place):
    """Every option, on a model in which all blocks fit."""
    source, matrix, older = "f16.gguf", ("--imatrix", "imatrix.gguf"), ("--imatrix", "imatrix.dat")
    for kind in PLAIN + NEEDY:
        run.sometimes("%s %s" % (name, kind), place, [source, "OUT", kind, "2"])
        run.sometimes("%s %s by imatrix" % (name, kind), place, [*matrix, source, "OUT", kind, "2"])
        run.sometimes("%s %s by imatrix.dat, pure" % (name, kind), place, [*older, "--pure", source, "OUT", kind, "2"])
        run.sometimes("%s %s, output left" % (name, kind), place, [*matrix, "--leave-output-tensor", source, "OUT", kind.lower(), "1"])
    for kind in TENSORS:
        run.sometimes("%s output=%s" % (name, kind), place, [*matrix, "--output-tensor-type", kind, source, "OUT", "Q4_K_M", "2"])
        run.sometimes("%s embeddings=%s" % (name, kind), place, ["--token-embedding-type", kind, source, "OUT", "Q5_0", "2"])
        run.sometimes("%s ffn=%s" % (name, kind), place, ["--tensor-type", "ffn=" + kind, source, "OUT", "Q4_K_M", "2"])
        run.sometimes("%s ffn=%s by imatrix" % (name, kind), place, [*matrix, "--tensor-type", "FFN_(up|down)=" + kind.upper(), source, "OUT", "Q3_K_M", "2"])
    for alias in ("Q3_K", "Q4_K", "Q5_K", "q5_k", "Iq4_Nl", *map(str, range(0, 41))):
        run.sometimes("%s %s" % (name, alias), place, [*matrix, source, "OUT", alias, "2"])
    run.sometimes("%s overridden" % name, place, [*(word for pair in OVERRIDES for word in ("--override-kv", pair)), *matrix, source, "OUT", "Q4_K_S", "2"])
    for words in (("--include-weights", "ffn_up", "--include-weights", "attn_v"), ("--exclude-weights", "blk.0", "--exclude-weights", "ffn"),
                  ("--include-weights", "nothing"), ("--include-weights", "ffn", "--exclude-weights", "attn")):
        run.sometimes("%s %s" % (name, " ".join(words)), place, [*words, *matrix, source, "OUT", "Q4_K_M", "2"])
    for pattern in PATTERNS:
        run.sometimes("%s of %s" % (name, pattern), place, ["--tensor-type", pattern + "=q8_0", source, "OUT", "Q4_0", "2"])
    for layers in (("0",), ("1",), ("0", "2"), ("1,0", "1")):
        run.sometimes("%s without %s" % (name, " and ".join(layers)), place, [*(word for some in layers for word in ("--prune-layers", some)), *matrix, source,
                                                                            "OUT", "Q4_K_M", "2"])
    for kind in ("F32", "BF16", "Q8_0", "COPY"):
        run.sometimes("%s %s by another's imatrix" % (name, kind), place, ["--imatrix", "other.gguf", source, "OUT", kind, "2"])
    run.sometimes("%s types in a file" % name, place, [*matrix, "--tensor-type-file", "types.txt", source, "OUT", "Q4_0", "2"])


def prepare(run, place, source, text, scratch_name):
    """A source and importance matrices of it, in both formats, made by llama-imatrix."""
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    os.symlink(source, os.path.join(place, "f16.gguf"))
    with open(os.path.join(place, "types.txt"), "w", encoding="utf-8") as file:
        file.write(TYPES_FILE)
    for out, form in (("imatrix.gguf", "gguf"), ("imatrix.dat", "dat")):
        done = run.program("llama-imatrix", ["-m", "f16.gguf", "-f", text, "-o", out, "--output-format", form, *IMATRIX], place)
        if done.returncode != 0 or not os.path.exists(os.path.join(place, out)):
            raise RuntimeError("llama-imatrix of %s: exit %d, %s" % (scratch_name, done.returncode, done.stderr.strip()[-300:]))


def options_of(run, name, golden):
    if run.only and not run.only.startswith(name):
        return
    place = os.path.join(run.scratch, name)
    prepare(run, place, os.path.join(golden, "gguf", name + "-f16.gguf"), os.path.join(golden, "gguf", "calib.txt"), name)
    os.symlink(os.path.join(golden, "gguf", "imatrix.%s.gguf" % ("qwen2-tiny" if name == "llama-tiny" else "llama-tiny")), os.path.join(place, "other.gguf"))
    tiny(run, name, place)
    requantized(run, name, place, "f16.gguf")
    shutil.rmtree(place)


def smollm(run, path, golden):
    """Real weights: every type once, with and without an importance matrix."""
    name, place = "smollm2", os.path.join(run.scratch, "smollm2")
    if run.only and not run.only.startswith(name):
        return
    source = os.path.join(run.scratch, "smollm2-f16.gguf")
    made = run.program("llama-quantize", ["--allow-requantize", path, source, "F16", "2"], run.scratch)
    if made.returncode != 0:
        raise RuntimeError("llama-quantize: " + made.stderr.strip()[-300:])
    prepare(run, place, source, os.path.join(golden, "gguf", "calib.txt"), name)
    os.symlink(path, os.path.join(place, "q4_1.gguf"))
    def same(what, words):
        run.same("%s %s" % (name, what), place, words)

    for target in ("F16", "F32", "Q4_K_M"):
        same("from Q4_1 to " + target, ["--allow-requantize", "q4_1.gguf", "OUT", target, "2"])
    for kind in PLAIN if run.all else MOST_USED:
        same(kind, ["f16.gguf", "OUT", kind, "2"])
    for kind in PLAIN[3:] + NEEDY if run.all else MOST_USED:
        same(kind + " by imatrix", ["--imatrix", "imatrix.gguf", "f16.gguf", "OUT", kind, "2"])
    shutil.rmtree(place)
    os.remove(source)


def cases(run, options):
    work = [(name, lambda name=name: options_of(run, name, options.golden)) for name in ("llama-tiny", "qwen2-tiny")]
    return work + [("smollm2", lambda: smollm(run, options.smollm, options.golden))]
