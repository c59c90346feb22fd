"""The rows of scripts/bench that concern GGUF: quantizing against llama-quantize, and conversion into GGUF against cp and llama.cpp's converter.

Both sides alternate in one run, on a warm cache. repaq's time includes its own fsync, llama-quantize's has none. The model is made here: F16 values of a normal
distribution in the shapes of a small LLaMA, whose rows all blocks divide; an importance matrix is made as well."""
import os
import random
import shutil
import struct
import subprocess
import time

F32, F16 = 0, 1                                 # types of tensors
U32, FLOAT, STRING, ARRAY = 4, 6, 8, 9          # types of values
HIDDEN, INTER, KV, VOCABULARY = 2048, 5632, 512, 8192
LAYER = (("attn_norm", (HIDDEN,)), ("attn_q", (HIDDEN, HIDDEN)), ("attn_k", (KV, HIDDEN)), ("attn_v", (KV, HIDDEN)), ("attn_output", (HIDDEN, HIDDEN)),
         ("ffn_norm", (HIDDEN,)), ("ffn_gate", (INTER, HIDDEN)), ("ffn_up", (INTER, HIDDEN)), ("ffn_down", (HIDDEN, INTER)))
LAYER_BYTES = 2 * sum(shape[0] * shape[1] for _, shape in LAYER if len(shape) == 2)

# type, of how many of --quantize-gb, whether an importance matrix acts on it; and what is aimed at: how many times faster without and with it
TYPES = (("Q8_0", 1, False, 5, None), ("Q4_0", 1, True, 5, None), ("Q4_1", 1, True, 5, None), ("Q5_0", 1, True, 5, None), ("Q5_1", 1, True, 5, None),
         ("Q2_K", 0.5, True, 4, 3), ("Q3_K_M", 0.5, True, 4, 3), ("Q4_K_M", 0.5, True, 4, 3), ("Q5_K_M", 0.5, True, 4, 3), ("Q6_K", 0.5, True, 4, 3),
         ("IQ4_NL", 0.25, True, 2, 2), ("IQ4_XS", 0.25, True, 2, 2), ("IQ3_S", 0, True, 1, 1), ("IQ3_M", 0, True, 1, 1), ("TQ1_0", 0.25, False, 1, None),
         ("TQ2_0", 0.25, False, 1, None), ("MXFP4_MOE", 0.25, False, 1, None), ("IQ3_XXS", 0, None, None, 1), ("IQ2_XXS", 0, None, None, 1),
         ("IQ2_XS", 0, None, None, 1), ("IQ2_M", 0, None, None, 1), ("IQ1_S", 0, None, None, 1), ("IQ1_M", 0, None, None, 1))
LEGACY = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")     # of which cp is the measure


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, value):
    body = text(value) if kind == STRING else struct.pack({U32: "<I", FLOAT: "<f"}[kind], value)
    return text(key) + struct.pack("<I", kind) + body


IMATRIX = [pair("general.type", STRING, "imatrix"), text("imatrix.datasets") + struct.pack("<IIQ", ARRAY, STRING, 1) + text("none"),
           pair("imatrix.chunk_count", U32, 1), pair("imatrix.chunk_size", U32, 512)]


def write_gguf(path, pairs, tensors, fill):
    """tensors: (name, shape outermost first, type, what fill() is told)."""
    infos, at = b"", 0
    for name, shape, kind, _ in tensors:
        infos += text(name) + struct.pack("<I%dQ" % len(shape), len(shape), *reversed(shape)) + struct.pack("<IQ", kind, at)
        size = (2 if kind == F16 else 4)
        for dim in shape:
            size *= dim
        at += size + -size % 32
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + infos
    with open(path, "wb") as out:
        out.write(header + bytes(-len(header) % 32))
        for name, shape, kind, what in tensors:
            start = out.tell()
            fill(out, shape, kind, what)
            out.write(bytes((start - out.tell()) % 32))


def matrices(layers):
    yield "token_embd.weight", (VOCABULARY, HIDDEN)
    for layer in range(layers):
        for name, shape in LAYER:
            yield "blk.%d.%s.weight" % (layer, name), shape
    yield "output_norm.weight", (HIDDEN,)
    yield "output.weight", (VOCABULARY, HIDDEN)


def make_model(path, pool, target_bytes):
    layers = max(1, round((target_bytes - 4 * VOCABULARY * HIDDEN) / LAYER_BYTES))
    pairs = [pair("general.architecture", STRING, "llama"), pair("general.name", STRING, "bench"), pair("general.file_type", U32, 1)]
    pairs += [pair("llama." + key, U32, value) for key, value in (("block_count", layers), ("context_length", 2048), ("embedding_length", HIDDEN),
              ("feed_forward_length", INTER), ("attention.head_count", 32), ("attention.head_count_kv", 8), ("vocab_size", VOCABULARY))]
    pairs += [pair("llama.attention.layer_norm_rms_epsilon", FLOAT, 1e-5)]
    ones = struct.pack("<%df" % HIDDEN, *[1.0] * HIDDEN)

    def fill(out, shape, kind, _):
        if kind == F32:
            out.write(ones)
        else:
            pool.write(out, pool.half, 2 * shape[0] * shape[1])

    write_gguf(path, pairs, [(name, shape, F16 if len(shape) == 2 else F32, None) for name, shape in matrices(layers)], fill)
    return layers


def make_imatrix(path, layers):
    """In the form of llama-imatrix: sums of squares, and how many there were, for each matrix."""
    rng = random.Random(7)
    entries = [(name, shape) for name, shape in matrices(layers) if len(shape) == 2 and name != "token_embd.weight"]
    tensors = [entry for name, shape in entries for entry in ((name + ".in_sum2", (1, shape[1]), F32, True), (name + ".counts", (1, 1), F32, False))]

    def fill(out, shape, _, sums):
        out.write(struct.pack("<%df" % shape[1], *(rng.lognormvariate(0, 1.5) if sums else 1.0 for _ in range(shape[1]))))

    write_gguf(path, IMATRIX, tensors, fill)


def measured(command):
    """(wall seconds, processor seconds in user space, in the kernel, peak resident bytes) of one command, whose output is dropped."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit("bench: %s: exit %d" % (" ".join(command), process.returncode))
    return time.monotonic() - start, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024


class Bench:
    def __init__(self, args, median, ready, pool):
        self.args, self.median, self.ready, self.pool = args, median, ready, pool
        self.ours, self.theirs, self.copied = (os.path.join(args.dir, name) for name in ("ours.gguf", "theirs.gguf", "copy.gguf"))

    def wanted(self, label):
        return self.args.only is None or self.args.only in label

    def source(self, share):
        """(model, importance matrix); a share of 0 is as small as a model of these shapes can be."""
        path = os.path.join(self.args.dir, "f16-%g.gguf" % share)
        if not os.path.exists(path):
            os.makedirs(self.args.dir, exist_ok=True)
            make_imatrix(path + ".imatrix", make_model(path, self.pool, share * self.args.quantize_gb * 1e9))
        return path, path + ".imatrix"

    def once(self, command, source, result):
        if os.path.exists(result):
            os.remove(result)
        self.ready(source)
        return measured(command)

    def row(self, kind, share, imatrix, threads, aim):
        source, matrix = self.source(share)
        words = ["--imatrix", matrix] if imatrix else []
        theirs_of = [os.path.join(self.args.programs, "llama-quantize"), *words, source, self.theirs, kind, str(threads)]
        ours_of = [self.args.repaq, "llama-quantize", *words, source, self.ours, kind, str(threads)]
        ours, theirs, copies = [], [], []
        for _ in range(self.args.runs if share else 1):
            theirs.append(self.once(theirs_of, source, self.theirs))
            ours.append(self.once(ours_of, source, self.ours))
            if kind in LEGACY and threads == 2:
                copies.append(self.once(["sh", "-c", 'cp "$0" "$1" && sync', source, self.copied], source, self.copied))
        if subprocess.run(["cmp", "-s", self.ours, self.theirs], check=False).returncode != 0:
            raise SystemExit("bench: %s: the two files differ" % " ".join(ours_of))
        def of(runs, at):
            return self.median([run[at] for run in runs])

        user, cpu, wall = (self.median([figure(b) / max(figure(a), 1e-3) for a, b in zip(ours, theirs)])
                           for figure in (lambda run: run[1], lambda run: run[1] + run[2], lambda run: run[0]))
        copy = "%5.2f" % self.median([a[0] / c[0] for a, c in zip(ours, copies)]) if copies else "    -"
        print("| %-9s | %-7s | %d | %6.2f s | %6.2f s | %5.1fx | %6.2f s | %6.2f s | %5.1fx | %7.2f s | %7.2f s | %5.1fx | %s | %s | %4d MiB | %4d MiB |" % (
            kind, "imatrix" if imatrix else "", threads, of(ours, 1), of(theirs, 1), user, of(ours, 2), of(theirs, 2), cpu, of(ours, 0), of(theirs, 0), wall, copy,
            "  - " if aim is None else "%3gx" % aim, max(a[3] for a in ours) >> 20, max(b[3] for b in theirs) >> 20), flush=True)

    def quantizing(self):
        """Processor time in user space, in the kernel and in both, wall time, times and ratios, and cp's as a measure where reading and writing is most of it."""
        print("\n| type      | matrix  | n | user     | llama's  | less   | kernel   | llama's  | both   | wall      | llama's   | faster | cp    | aim | memory   | llama's  |")
        print("|-----------|---------|---|----------|----------|--------|----------|----------|--------|-----------|-----------|--------|-------|-----|----------|----------|")
        for kind, share, acts, plain, by_matrix in TYPES:
            for imatrix, aim in ((False, plain), (True, by_matrix)):
                if (imatrix and acts is False) or (not imatrix and acts is None):
                    continue
                for threads in (1, 2) if share else (2,):
                    if self.wanted("quantize %s, %s, %d" % (kind, "imatrix" if imatrix else "plain", threads)):
                        self.row(kind, share, imatrix, threads, aim)

    def converting(self, against_cp, make_float, awq_source):
        """Hugging Face in F16 and AWQ against cp, and llama.cpp's converter."""
        folder = os.path.join(self.args.dir, "hf-f16")
        if self.wanted("hf f16 -> gguf"):
            make_float(folder)
            against_cp(self.args, "hf f16 -> gguf F16", folder, "gguf", "--type", "F16")
            self.against_converter(folder)
        if self.wanted("awq -> gguf"):
            against_cp(self.args, "awq -> gguf auto", awq_source(), "gguf")
        shutil.rmtree(folder, ignore_errors=True)

    def against_converter(self, folder):
        script = self.args.converter
        if not os.path.exists(script) or not os.path.exists(self.args.python):
            print("no %s, or no %s: scripts/oracle brings both" % (script, self.args.python))
            return
        mute = ("import sys, runpy; script = sys.argv[1]; sys.path[:0] = [script.rpartition('/')[0], script.rpartition('/')[0] + '/gguf-py']; "
                "from conversion import get_model_class; get_model_class('LlamaForCausalLM').set_vocab = lambda self: None; "
                "sys.argv[:] = sys.argv[1:]; runpy.run_path(script, run_name='__main__')")
        for kind in ("f16", "bf16", "q8_0"):
            words = (folder, "--outtype", kind, "--outfile")
            ours, theirs = [], []
            for _ in range(self.args.runs):
                theirs.append(self.once([self.args.python, "-c", mute, script, *words, self.theirs], folder, self.theirs))
                ours.append(self.once([self.args.repaq, "convert_hf_to_gguf", *words, self.ours], folder, self.ours))
            same = subprocess.run(["cmp", "-s", self.ours, self.theirs], check=False).returncode == 0
            wall, cpu = ([self.median([figure(run) for run in runs]) for runs in (ours, theirs)] for figure in (lambda run: run[0], lambda run: run[1] + run[2]))
            print("convert_hf_to_gguf --outtype %s: repaq %.2f s (processor %.2f s), %d MiB; script %.2f s (processor %.2f s), %d MiB; %.1fx (processor %.1fx)%s" % (
                kind, wall[0], cpu[0], max(run[3] for run in ours) >> 20, wall[1], cpu[1], max(run[3] for run in theirs) >> 20,
                self.median([b[0] / a[0] for a, b in zip(ours, theirs)]), cpu[1] / cpu[0], "" if same else "; the files are not equal"), flush=True)
