#!/usr/bin/env python3
"""make_seeds.py DIR [--flips N]: seeds for the harnesses: DIR/json, DIR/safetensors, DIR/index, DIR/ggufile, DIR/torch, DIR/pickle,
DIR/sentencepiece, DIR/hftokenizer, DIR/ggml, DIR/imatrix, DIR/ggufcopy, DIR/bundle and DIR/formats, the same files every time.

Sound small checkpoints of every format, every named defect of tests/malformed, and seeded byte flips of the sound ones."""
import argparse
import pathlib
import random
import shutil
import struct
import sys
import tempfile
import zipfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "malformed"))
import defects  # noqa: E402
import run as malformed  # noqa: E402

JSON_TEXTS = [b"", b" ", b"{}", b"[]", b"null", b"-0.5e+3", b'"\\ud83d\\ude00\\u0000"', b'{"a":[1,2,{"b":null}],"c":"\xc3\xa9"}', b"[" * 127 + b"]" * 127, b"[" * 200,
              b'{"a":1,"a":2}', b"[1,]", b"\xef\xbb\xbf{}", b'"\xff"', b'"\\ud800"', b"01", b"1e999", b'{"\\u0061":1}']
INDEX_TEXTS = [b'{"metadata":{"total_size":8},"weight_map":{"a":"model.safetensors"}}', b'{"weight_map":{}}', b'{"weight_map":{"a":"../x.safetensors"}}',
               b'{"weight_map":{"a":"C:\\\\x.safetensors"}}', b'{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', b'{"metadata":null,"weight_map":{"a":1}}']

TOKENIZER_TEXTS = [text.encode() for text in (
    '{"added_tokens":[{"id":3,"content":"<x>","special":true,"lstrip":true,"rstrip":true}],"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}',
    '{"model":{"vocab":{"a":0,"b":1,"ab":2,"<0x20>":4},"merges":[["a","b"]],"byte_fallback":true,"unk_token":"a","fuse_unk":true,"ignore_merges":true}}',
    '{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]},"model":{}}',
    '{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\\\p{N}{1,3}"},"behavior":"MergedWithNext"},'
    '{"type":"ByteLevel"},{"type":"Digits"},{"type":"Metaspace","prepend_scheme":"first"}]},"model":{"vocab":{"a":0}}}',
    '{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"s"}},{"Sequence":{"id":"A"}}],"special_tokens":{"s":{"ids":[1]}}}}',
    '{"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},'
    '{"type":"Strip","content":" ","start":1,"stop":1},{"type":"ByteLevel"}]}}')]

TARGETS = 7  # hf, msmodelslim, awq, gptq, gptq_v2, compressed-tensors, mlx: the first of the registry
WEIGHTS_ONLY, F32, EXACT, UNPACKED = 16, 32, 64, 128


class Gguf:
    """A GGUF file of any version and byte order, piece by piece."""

    def __init__(self, version, order, tensors, pairs):
        self.order, self.wide = order, "I" if version == 1 else "Q"
        self.data = b"GGUF" + self.pack("I" + self.wide * 2, version, tensors, pairs)

    def pack(self, form, *values):
        return struct.pack(self.order + form, *values)

    def string(self, text):
        return self.pack(self.wide, len(text)) + text

    def array(self, kind, count, body):
        return self.pack("I" + self.wide, kind, count) + body

    def pair(self, key, kind, body):
        self.data += self.string(key) + self.pack("I", kind) + body
        return self

    def tensor(self, name, dims, kind, offset):
        self.data += self.string(name) + self.pack("I%d%sIQ" % (len(dims), self.wide), len(dims), *dims, kind, offset)
        return self

    def end(self, size, alignment=32):
        return self.data + bytes(-len(self.data) % alignment + size)


def gguf_seeds():
    """Sound files of every form, then some of every kind of defect."""
    seeds = []
    for version in (1, 2, 3):
        for order in "<>":
            seeds.append(Gguf(version, order, 0, 0).data)
            file = Gguf(version, order, 3, 6)
            file.pair(b"general.alignment", 4, file.pack("I", 64)).pair(b"general.architecture", 8, file.string(b"llama"))
            file.pair(b"tokens", 9, file.array(8, 2, file.string(b"<s>") + file.string(b""))).pair(b"scores", 9, file.array(6, 2, file.pack("2f", 1, -1)))
            file.pair(b"nested", 9, file.array(9, 2, file.array(3, 1, file.pack("h", -1)) + file.array(9, 1, file.array(8, 1, file.string(b"x")))))
            file.pair(b"yes", 7, b"\1").tensor(b"a", (32, 2), 2, 0).tensor(b"b", (256,), 12, 64).tensor(b"c", (4, 0), 0, 256)
            seeds.append(file.end(256, 64))
    for dims, kind, offset, size in (((9223372036854775807, 2, 1, 1), 24, 0, 0), ((32,), 36, 0, 128), ((32,), 139, 0, 128), ((33,), 2, 0, 64), ((32,), 0, 33, 128),
                                     ((32,), 0, 64, 192), ((32,), 0, 0, 100), ((9223372036854775744,), 24, 0, 0), ((1, 1, 1, 1, 1), 0, 0, 32)):
        seeds.append(Gguf(3, "<", 1, 0).tensor(b"t", dims, kind, offset).end(size))
    for offsets in ((0, 0), (128, 0), (0, 256), (0, 96)):
        seeds.append(Gguf(3, "<", 2, 0).tensor(b"a", (32,), 0, offsets[0]).tensor(b"b", (32,), 0, offsets[1]).end(384))
    file = Gguf(3, "<", 0, 1)
    deep = b"".join(file.array(9, 1, b"") for _ in range(12)) + file.array(0, 0, b"")
    seeds += [Gguf(3, "<", 0, 1).pair(b"deep", 9, deep).data, Gguf(3, "<", 0, 1).pair(b"long", 9, file.array(8, 1 << 63, b"")).data]
    seeds += [Gguf(3, "<", 0, 2).pair(b"a", 0, b"\1").pair(b"a", 0, b"\1").data, Gguf(3, "<", 1 << 63, 0).data, Gguf(3, "<", 0, (1 << 64) - 1).data]
    return seeds


def copy_seeds():
    """A small llama of two blocks in several types, for fuzz_ggufcopy: with each type that it may become."""
    rng, seeds = random.Random(20261129), []
    names = [b"token_embd.weight"] + [b"blk.%d.%s.weight" % (block, part) for block in range(2) for part in (b"attn_v", b"ffn_down", b"attn_norm")]
    for kind, row in ((0, 1024), (1, 512), (30, 512), (2, 144), (12, 144), (14, 210), (39, 136)):
        file = Gguf(3, "<", len(names), 6)
        file.pair(b"general.architecture", 8, file.string(b"llama")).pair(b"general.file_type", 4, file.pack("I", 1))
        for key, value in ((b"block_count", 2), (b"attention.head_count", 4), (b"attention.head_count_kv", 1), (b"expert_count", 0)):
            file.pair(b"llama." + key, 4, file.pack("I", value))
        at, body = 0, b""
        for name in names:
            rows = 1 if b"norm" in name else 2
            own, size = (0, 1024) if rows == 1 else (kind, row * 2)
            file.tensor(name, (256,) if rows == 1 else (256, 2), own, at)
            half = struct.pack("<%de" % (size // 2), *(rng.gauss(0, 0.1) for _ in range(size // 2)))
            body += half + bytes(-size % 32)
            at = len(body)
        sound = file.end(0) + body
        seeds += [bytes([how]) + sound for how in (0, 1, 7 | 64, 63, 15 | 64, 2 | 64 | 128, 25 | 64, 38 | 64, 36 | 64)]
    return seeds


def imatrix_seeds():
    def entry(name, calls, values):
        return struct.pack("<i", len(name)) + name + struct.pack("<2i%df" % len(values), calls, len(values), *values)
    old = struct.pack("<i", 2) + entry(b"blk.0.attn_q.weight", 2, (1, 2, 3, 4)) + entry(b"output.weight", 0, (1, 0))
    seeds = [old, old + struct.pack("<i", 9), old + struct.pack("<2i", 9, 4) + b"wiki", struct.pack("<i", -1) + old, struct.pack("<i", 1 << 30) + old[4:]]
    for parts, counts in ((1, (4.0,)), (2, (2.5, 0.0)), (2, (-1.0, float("inf")))):
        file = Gguf(3, "<", 2, 3)
        file.pair(b"imatrix.datasets", 9, file.array(8, 1, file.string(b"wiki"))).pair(b"imatrix.chunk_count", 4, file.pack("I", 7))
        file.pair(b"imatrix.chunk_size", 4, file.pack("I", 512)).tensor(b"a.in_sum2", (4, parts), 0, 0).tensor(b"a.counts", (1, parts), 0, 32)
        sums = struct.pack("<%df" % (4 * parts), *range(4 * parts))
        seeds.append(file.end(0) + sums + bytes(-len(sums) % 32) + struct.pack("<%df" % parts, *counts) + bytes(32 - 4 * parts))
    return seeds


def zstd_frame(content):
    """A frame of one raw block (RFC 8878)."""
    return struct.pack("<IBI", 0xFD2FB528, 0xA0, len(content)) + struct.pack("<I", len(content) << 3 | 1)[:3] + content


def seekable(parts):
    """Frames and the table of their sizes behind them."""
    frames = [zstd_frame(part) for part in parts]
    rows = b"".join(struct.pack("<2I", len(frame), len(part)) for frame, part in zip(frames, parts))
    return b"".join(frames) + struct.pack("<2I", 0x184D2A5E, len(rows) + 9) + rows + struct.pack("<IBI", len(parts), 0, 0x8F92EAB1)


def zip_of(entries):
    """entries: (name, method, stored bytes, content bytes). No CRCs: what is flipped is then read all the same."""
    body, directory = b"", b""
    for name, method, stored, size in entries:
        fields = struct.pack("<5HIIIHH", 63, 0, method, 0, 0x21, 0, len(stored), size, len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 63) + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + fields + name + stored
    return body + directory + b"PK\5\6" + struct.pack("<4HIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)


def bundle_seeds():
    text = b"a line of text, and another one, and the same again: a line of text\n" * 9
    squeezed = zlib.compress(text, 9)[2:-4]
    parts = [text[:100], text[100:107], text[107:]]
    table = seekable(parts)
    sound = [("a.txt", 0, text), ("dir/b.json", 8, squeezed), ("c.bin", 93, zstd_frame(text)), ("d.bin", 93, table)]
    every = zip_of([(name.encode(), method, stored, len(text)) for name, method, stored in sound])
    seeds = [every, zip_of([]), zip_of([(b"e", 0, b"", 0)]), zip_of([(b"e", 93, b"", 0)]), zstd_frame(text), table, zstd_frame(b""), table + zstd_frame(b"more")]
    for name, method, stored in sound:
        for size in (len(text), len(text) - 1, len(text) + 1, 0, 1 << 30, (1 << 32) - 1):
            seeds.append(zip_of([(name.encode(), method, stored, size), (b"tail", 0, b"x", 1)]))
    for name in (b"../a", b"/a", b"a/../b", b"a\\b", b"a\0b", b"a//b", b"\xff\xfe", b".", b"a/" * 40 + b"a", b"n" * 300):
        seeds.append(zip_of([(name, 0, b"x", 1)]))
    for at in range(len(table) - 40, len(table), 3):
        seeds.append(table[:at] + b"\x7f" + table[at + 1:])
    rows = struct.pack("<2I", 0x184D2A5E, 8 + 9) + struct.pack("<2I", 0, 0) + struct.pack("<IBI", 1, 0, 0x8F92EAB1)
    seeds += [zstd_frame(text) + rows, zstd_frame(text)[:-1], zip_of([(b"a", 93, zstd_frame(text) + rows, len(text))]), every + b"x", b"x" + every, every[:-5],
              zip_of([(b"a", 0, every, len(every))]), zip_of([(b"a", 0, b"1", 1), (b"a", 0, b"2", 1)])]
    return seeds


def bundle(folder, how):
    """A checkpoint directory as one input of fuzz_formats."""
    descriptions = sorted(folder.glob("quant_model_description*.json"))
    weights = sorted(folder.glob("*.safetensors"))
    texts = [path.read_bytes() if path is not None and path.is_file() else b""
             for path in (folder / "config.json", descriptions[0] if descriptions else None, folder / "quantize_config.json")]
    body = weights[0].read_bytes() if weights else b""
    return struct.pack("<3IB", *map(len, texts), how) + b"".join(texts) + body


def pickles_in(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    except Exception:  # broken archives are the others' business
        return []


def ggml_rows():
    """Rows for fuzz_ggml: each type without and with weights on values of many kinds, and each type's blocks of random bytes."""
    rng = random.Random(20261128)
    odd = [0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x3f800000]
    kinds = (lambda: rng.gauss(0, 0.02), lambda: rng.choice((-1, 0, 1)) * 0.37, lambda: rng.gauss(0, 1) * 10 ** rng.uniform(-6, 3), lambda: rng.randint(-8, 7) * 1.0,
             lambda: rng.gauss(0, 1e-39), lambda: rng.gauss(0, 3e37))
    for kind in range(43):  # the ids of src/ir/ggml.def
        for flags in range(2):
            for value in kinds:
                yield struct.pack("<2B256f", kind, flags | rng.randrange(4) << 2, *(value() for _ in range(256)))
            yield struct.pack("<2B64I", kind, flags, *(rng.choice(odd) for _ in range(64)))
            yield struct.pack("<2B64I", kind, flags, *(rng.getrandbits(32) for _ in range(64)))
            yield bytes((kind, flags | 2)) + rng.randbytes(292)


def field(number, wire, value):
    """A field of a protobuf message with a one-byte tag: a varint below 128, or bytes."""
    return bytes([number << 3 | wire]) + (bytes([value]) if wire == 0 else bytes([len(value)]) + value if wire == 2 else value)


def sentencepiece_seeds():
    """tokenizer.model files: pieces of every type with trainer and normalizer, pieces alone, unknown fields, and LLaMA 3's text form."""
    def piece(text, score, kind):
        return field(1, 2, field(1, 2, text) + field(2, 5, struct.pack("<f", score)) + (field(3, 0, kind) if kind != 1 else b""))
    pieces = b"".join(piece(b"<%d>" % kind, -float(kind), kind) for kind in range(1, 7))
    trainer = field(2, 2, field(3, 0, 2) + b"\x98\x02\x01" + b"\xc0\x02\x01" + b"\xd8\x02" + b"\xff" * 9 + b"\x01")
    normalizer = field(3, 2, field(1, 2, b"identity") + field(2, 2, b"map") + field(3, 0, 1) + field(4, 0, 0) + field(5, 0, 1))
    return [b"", pieces, pieces + trainer + normalizer, pieces + field(9, 0, 5) + field(10, 1, b"8" * 8) + field(11, 5, b"4" * 4) + field(12, 2, b"x"),
            b"YQ== 0\nYg== 1\nIA== 2\nYWI= 3\nIGE= 4\nIGFi 5\n", b"YQ== 0\r\n", b"YQ== 1\n"]


def flipped(data, rng):
    data = bytearray(data)
    limit = min(len(data), 2500)  # the texts and headers: weight bytes are never wrong
    for _ in range(rng.randint(1, 4) if data else 0):
        data[rng.randrange(limit)] = rng.randrange(256)
    return bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--flips", type=int, default=20, help="a tenth of the damaged copies of each kind")
    options = parser.parse_args()
    seeds = {"json": list(JSON_TEXTS), "safetensors": [], "index": list(INDEX_TEXTS), "ggufile": gguf_seeds(), "formats": [], "torch": [], "pickle": [],
             "ggml": list(ggml_rows()), "imatrix": imatrix_seeds(), "ggufcopy": copy_seeds(), "bundle": bundle_seeds(),
             "sentencepiece": sentencepiece_seeds(), "hftokenizer": list(TOKENIZER_TEXTS)}
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="repaq-seeds-"))
    for number, kind in enumerate(malformed.KINDS):
        folder = scratch / kind
        malformed.make_small(kind, folder)
        for path in sorted(folder.iterdir()):
            seeds[{".safetensors": "safetensors", ".bin": "torch"}.get(path.suffix, "json")].append(path.read_bytes())
        for target in range(TARGETS):
            seeds["formats"].append(bundle(folder, target))
            seeds["formats"].append(bundle(folder, target | (WEIGHTS_ONLY | F32, EXACT, UNPACKED)[(target + number) % 3]))
    for number, entry in enumerate(defects.CASES):
        folder = scratch / f"defect-{number}" / "source"
        folder.parent.mkdir()
        entry[1](folder)
        if len(list(folder.glob("*.safetensors"))) == 1:
            seeds["formats"].append(bundle(folder, number % TARGETS))
        for path in folder.glob("pytorch_model.bin"):
            seeds["torch"].append(path.read_bytes())
            seeds["pickle"] += pickles_in(path)
        seeds["index"] += [path.read_bytes() for path in folder.glob("*.index.json")]
    shutil.rmtree(scratch)
    rng = random.Random(20261124)
    for kind, inputs in seeds.items():
        unique = [data for data in dict.fromkeys(inputs) if len(data) <= 1 << 20]  # a header beyond the limit is no seed
        sound = unique[:130]  # of every kind and target
        unique += [flipped(rng.choice(sound), rng) for _ in range(options.flips * 10)]
        folder = options.directory / kind
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for index, data in enumerate(unique):
            (folder / f"seed-{index:04}").write_bytes(data)
        print(f"{kind}: {len(unique)} inputs")


main()
