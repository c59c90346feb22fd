"""Small GGUF models of every family whose tensors `check` knows, and a writer of such files with whatever is to be odd about them.

A model is (pairs, tensors): {key: (kind, value)}, value a list for arrays; {name: (dims, type, bytes)}, dims innermost first."""
import random
import struct

KINDS = {"u8": (0, "B"), "i8": (1, "b"), "u16": (2, "H"), "i16": (3, "h"), "u32": (4, "I"), "i32": (5, "i"), "f32": (6, "f"), "bool": (7, "?"), "str": (8, ""),
         "u64": (10, "Q"), "i64": (11, "q"), "f64": (12, "d")}
ARRAY = 9
F32, F16, Q8_0 = 0, 1, 8
LAYERS, EMBED, WIDE, HEADS, KV, HEAD, EXPERTS, SHARED = 2, 64, 96, 4, 2, 16, 4, 32
FAMILIES = "llama mixtral qwen2 qwen2moe qwen3 qwen3moe gemma gemma2 gemma3 phi3".split()


def spm():
    """A tokenizer.model of bytes and letters, as pairs."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "\u2581", *letters]
    types = [2, 3, 3, *[6] * 256, *[1] * (1 + len(letters))]
    return {"tokenizer.ggml.model": ("str", "llama"), "tokenizer.ggml.pre": ("str", "default"), "tokenizer.ggml.tokens": ("str", tokens),
            "tokenizer.ggml.scores": ("f32", [-float(t) for t in range(len(tokens))]), "tokenizer.ggml.token_type": ("i32", types),
            "tokenizer.ggml.bos_token_id": ("u32", 1), "tokenizer.ggml.eos_token_id": ("u32", 2)}


def bpe():
    """Byte-level BPE with one merge, as pairs."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    tokens = [*map(chr, plain), *(chr(256 + n) for n in range(len(rest))), "ab", "<|endoftext|>"]
    return {"tokenizer.ggml.model": ("str", "gpt2"), "tokenizer.ggml.pre": ("str", "qwen2"), "tokenizer.ggml.tokens": ("str", tokens),
            "tokenizer.ggml.token_type": ("i32", [1] * (len(tokens) - 1) + [3]), "tokenizer.ggml.merges": ("str", ["a b"]),
            "tokenizer.ggml.eos_token_id": ("u32", len(tokens) - 1)}


def hyper(arch, family):
    sizes = {"context_length": 128, "embedding_length": EMBED, "block_count": LAYERS, "feed_forward_length": WIDE, "attention.head_count": HEADS,
             "attention.head_count_kv": KV, "attention.key_length": HEAD, "attention.value_length": HEAD, "rope.dimension_count": HEAD}
    if family in ("mixtral", "qwen2moe", "qwen3moe"):
        sizes.update({"expert_count": EXPERTS, "expert_used_count": 2})
    if family in ("qwen2moe", "qwen3moe"):
        sizes["expert_feed_forward_length"] = WIDE
    if family == "qwen2moe":
        sizes["expert_shared_feed_forward_length"] = SHARED
    if family in ("gemma2", "gemma3", "phi3"):
        sizes["attention.sliding_window"] = 64
    return {f"{arch}.{key}": ("u32", value) for key, value in sizes.items()} | {f"{arch}.attention.layer_norm_rms_epsilon": ("f32", 1e-6)}


def blocks(family):
    """{inner name: dims} of one block."""
    query, kv = HEADS * HEAD, KV * HEAD
    block = {"attn_norm": (EMBED,), "attn_q": (EMBED, query), "attn_k": (EMBED, kv), "attn_v": (EMBED, kv), "attn_output": (query, EMBED), "ffn_norm": (EMBED,)}
    if family == "phi3":
        for name in ("attn_q", "attn_k", "attn_v"):
            del block[name]
        return block | {"attn_qkv": (EMBED, query + 2 * kv), "ffn_up": (EMBED, 2 * WIDE), "ffn_down": (WIDE, EMBED)}
    if family in ("qwen3", "qwen3moe", "gemma3"):
        block |= {"attn_q_norm": (HEAD,), "attn_k_norm": (HEAD,)}
    if family in ("gemma2", "gemma3"):
        block |= {"post_attention_norm": (EMBED,), "post_ffw_norm": (EMBED,)}
    if family not in ("mixtral", "qwen2moe", "qwen3moe"):
        return block | {"ffn_gate": (EMBED, WIDE), "ffn_up": (EMBED, WIDE), "ffn_down": (WIDE, EMBED)}
    block |= {"ffn_gate_inp": (EMBED, EXPERTS), "ffn_gate_exps": (EMBED, WIDE, EXPERTS), "ffn_up_exps": (EMBED, WIDE, EXPERTS),
              "ffn_down_exps": (WIDE, EMBED, EXPERTS)}
    if family == "qwen2moe":
        block |= {"ffn_gate_inp_shexp": (EMBED,), "ffn_gate_shexp": (EMBED, SHARED), "ffn_up_shexp": (EMBED, SHARED), "ffn_down_shexp": (SHARED, EMBED)}
    return block


def elements(dims):
    total = 1
    for dim in dims:
        total *= dim
    return total


def data(dims, kind, seed=1):
    """Small numbers of the type F32, F16 or Q8_0."""
    draw = random.Random(seed)
    count = elements(dims)
    if kind == Q8_0:
        return b"".join(struct.pack("<e32b", 0.001, *(draw.randrange(-127, 128) for _ in range(32))) for _ in range(count // 32))
    return struct.pack(f"<{count}{'f' if kind == F32 else 'e'}", *(draw.uniform(-0.1, 0.1) for _ in range(count)))


def tensor(dims, kind=None, seed=1):
    kind = (F32 if len(dims) == 1 else F16) if kind is None else kind
    return dims, kind, data(dims, kind, seed)


def model(family):
    arch = "llama" if family == "mixtral" else family
    words = bpe() if family.startswith("qwen") else spm()
    pairs = {"general.architecture": ("str", arch), "general.type": ("str", "model"), **hyper(arch, family), **words}
    shapes = {"token_embd.weight": (EMBED, len(words["tokenizer.ggml.tokens"][1])), "output_norm.weight": (EMBED,)}
    if family not in ("gemma", "gemma2"):
        shapes["output.weight"] = shapes["token_embd.weight"]
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.{inner}.weight": dims for inner, dims in blocks(family).items()}
    return pairs, {name: tensor(dims, seed=number) for number, (name, dims) in enumerate(shapes.items())}


# --- the file -------------------------------------------------------------------------------------------------------------------


def text(order, value):
    raw = value.encode("utf-8", "surrogateescape")
    return struct.pack(order + "Q", len(raw)) + raw


def scalar(order, kind, value):
    return text(order, value) if kind == "str" else struct.pack(order + KINDS[kind][1], value)


def pair(order, key, kind, value):
    head = text(order, key)
    if not isinstance(value, list):
        return head + struct.pack(order + "I", KINDS[kind][0]) + scalar(order, kind, value)
    return head + struct.pack(order + "IIQ", ARRAY, KINDS[kind][0], len(value)) + b"".join(scalar(order, kind, item) for item in value)


def turned(kind, raw):
    """Words of floats in the other byte order."""
    size = 4 if kind == F32 else 2
    return b"".join(raw[at:at + size][::-1] for at in range(0, len(raw), size))


def write(path, pairs, tensors, version=3, big=False, gap=0):
    """`gap` bytes, whole units of the alignment, lie behind the first tensor's data."""
    order = ">" if big else "<"
    align = pairs.get("general.alignment", ("u32", 32))[1]
    head = b"GGUF" + struct.pack(order + "IQQ", version, len(tensors), len(pairs))
    head += b"".join(pair(order, key, kind, value) for key, (kind, value) in pairs.items())
    body = bytearray()
    for name, (dims, kind, raw) in tensors.items():
        head += text(order, name) + struct.pack(order + f"I{len(dims)}QIQ", len(dims), *dims, kind, len(body))
        body += turned(kind, raw) if big else raw
        body += bytes(-len(body) % align + (gap if len(body) == len(raw) else 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + bytes(-len(head) % align) + body)


def write_set(folder, pairs, tensors, count=2):
    """Shards of the same number of tensors; the first has the metadata."""
    names = list(tensors)
    for number in range(count):
        keys = {"split.no": ("u16", number), "split.count": ("u16", count), "split.tensors.count": ("i32", len(names))}
        part = names[len(names) * number // count:len(names) * (number + 1) // count]
        write(folder / f"m-{number + 1:05d}-of-{count:05d}.gguf", (pairs if number == 0 else {}) | keys, {name: tensors[name] for name in part})
