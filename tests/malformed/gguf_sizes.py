"""GGUF into Hugging Face's: sizes in the metadata that the tensors contradict, and vocabularies that say odd things."""
import math
import pathlib
import shutil
import struct
import subprocess

PARTS = (("attn_norm", (64,)), ("attn_q", (64, 64)), ("attn_k", (64, 32)), ("attn_v", (64, 32)), ("attn_output", (64, 64)), ("ffn_norm", (64,)),
         ("ffn_gate", (64, 64)), ("ffn_up", (64, 64)), ("ffn_down", (64, 64)))
SIZES = {"block_count": 1, "attention.head_count": 4, "attention.head_count_kv": 2, "embedding_length": 64, "feed_forward_length": 64, "context_length": 128,
         "rope.dimension_count": 16}
TOKENS = (b"<unk>", b"<s>", b"</s>", b"a")


def string(text):
    return struct.pack("<Q", len(text)) + text


def array(kind, form, values):
    return struct.pack("<IQ", kind, len(values)) + (b"".join(map(string, values)) if form == "s" else struct.pack(f"<{len(values)}{form}", *values))


def llama(tokens=TOKENS, ids=(), more=(), extra=(), **sizes):
    """A LLaMA of one block, all zeros; with more pairs, and more tensors."""
    pairs = [(b"general.architecture", 8, string(b"llama")), (b"llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5))]
    pairs += [(b"llama." + key.encode(), 4, struct.pack("<I", sizes.get(key.replace(".", "_"), value))) for key, value in SIZES.items()]
    pairs += [(b"tokenizer.ggml.model", 8, string(b"llama")), (b"tokenizer.ggml.tokens", 9, array(8, "s", tokens)),
              (b"tokenizer.ggml.scores", 9, array(6, "f", [0.0] * len(tokens))), (b"tokenizer.ggml.token_type", 9, array(5, "i", [1] * len(tokens)))]
    pairs += [(f"tokenizer.ggml.{name}_token_id".encode(), 4, struct.pack("<I", value)) for name, value in ids]
    pairs += more
    table = [("token_embd", (64, len(tokens))), ("output_norm", (64,)), ("output", (64, len(tokens)))] + [("blk.0." + name, dims) for name, dims in PARTS]
    table = [(name + ".weight", dims) for name, dims in table] + list(extra)
    data = b"GGUF" + struct.pack("<IQQ", 3, len(table), len(pairs)) + b"".join(string(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    at = 0
    for name, dims in table:
        data += string(name.encode()) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", 0, at)
        at += -(-4 * math.prod(dims) // 32) * 32
    return data + bytes(-len(data) % 32) + bytes(at)


def files():
    """name -> bytes, exit code, a piece of the message"""
    yield "sound", llama(), 0, ""
    for key, shown, values in (("block_count", "1 blocks", (2, 513, 2**31, 2**32 - 1)), ("embedding_length", "64 columns", (63, 2**32 - 1))):
        yield f"{key} 0", llama(**{key: 0}), 4, "expected a positive number"
        for value in values:
            yield f"{key} {value}", llama(**{key: value}), 4, shown
    yield "head_count 0", llama(attention_head_count=0), 4, "expected a positive number"
    for key in ("attention.head_count", "attention.head_count_kv"):
        for value in (3, 2**32 - 1):
            yield f"{key} {value}", llama(**{key.replace(".", "_"): value}), 4, f"expected {value} heads"
    for value in (float("nan"), float("inf")):
        yield f"rope.freq_base {value}", llama(more=[(b"llama.rope.freq_base", 6, struct.pack("<f", value))]), 4, "freq_base that is NaN or infinite"
    for value, code, piece in ((1, 0, ""), (1 << 20, 4, "truncated"), (1 << 21, 7, "alignment 2097152"), (1 << 31, 7, "alignment 2147483648")):
        yield f"alignment {value}", llama(more=[(b"general.alignment", 4, struct.pack("<I", value))]), code, piece
    for name in ("attn_q.scale", "ffn_up.input_scale"):
        yield name, llama(extra=[(f"blk.0.{name}", (1,))]), 5, "R-ACTSCALE"
    experts = [(f"blk.0.ffn_{part}.{expert}.weight", (64, 64)) for part in ("gate", "up", "down") for expert in (0, 1)]
    yield "experts one by one", llama(extra=experts), 0, ""
    for name, token, code in (("<0x-1>", b"<0x-1>", 0), ("<0xZZ>", b"<0xZZ>", 0), ("no UTF-8", b"\xff", 4), ("of 100000 bytes", b"x" * 100000, (0, 4, 7))):
        yield f"token {name}", llama(TOKENS[:3] + (token,)), code, ""
    for name, value in (("bos", 4), ("eos", 2**32 - 1), ("padding", 99)):
        yield f"{name} {value}", llama(ids=((name, value),)), 4, f"{name}_token_id {value}"


def cases(repaq, scratch):
    place = pathlib.Path(scratch) / "gguf-sizes"
    place.mkdir()
    for name, data, code, piece in files():
        (place / "in.gguf").write_bytes(data)
        run = subprocess.run([repaq, "convert", "in.gguf", "out", "--to", "hf"], cwd=place, capture_output=True, timeout=20, env={"LC_ALL": "C"})
        text = run.stderr.decode("utf-8", "replace").strip()
        faults = [] if run.returncode in (code if isinstance(code, tuple) else (code,)) else [f"exit {run.returncode}, expected {code}: {text[:300]}"]
        if run.returncode != 0 and piece not in text:
            faults.append(f"the message lacks \"{piece}\": {text[:300]}")
        left = sorted(path.name for path in place.iterdir() if path.name != "in.gguf")
        if left != (["out"] if run.returncode == 0 else []):
            faults.append(f"left behind: {left}")
        shutil.rmtree(place / "out", ignore_errors=True)
        yield name, faults
