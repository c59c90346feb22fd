"""Hostile and broken files of torch.save: pickles that ask for more than data, sizes that lie, zip archives that say two things."""
import json
import pathlib
import shutil
import struct
import zipfile
import zlib

import defects
import torchsave
from torchsave import HALVES, ORDERED, call, dictionary, ints, make_stream, make_zip, name, number, pickle, several, state, storage, tensor, text


def case(title, code, says, make):
    defects.case("torch-" + title, code, says, to="hf")(make)


def of(title, code, says, data, storages=None):
    """A pickle in a sound archive."""
    case(title, code, says, lambda folder: make_zip(folder, data, storages))


def poke(path, at, data):
    body = bytearray(path.read_bytes())
    body[at:at + len(data)] = data
    path.write_bytes(body)


# --- sound ones, and odd ones that are sound --------------------------------------------------------------------------------------

of("sound", 0, "", state(tensor()))
case("sound-stream", 0, "", make_stream)
of("sound-transposed", 0, "", state(tensor(shape=(4, 3), stride=(1, 4))))
of("sound-shared", 0, "", state(tensor(shape=(2, 4), stride=(4, 1)), tensor(shape=(4,), stride=(1,), offset=8)))
of("sound-python2", 0, "", pickle(call(name("collections", "OrderedDict"), b"](](" + text("w") + tensor() + b"ee")))
of("name-too-long", 7, "pytorch_model.bin: found a tensor name that is too long", state(**{"a" * 5000: tensor()}))
of("name-of-safetensors", 5, "no tensor's in safetensors", state(__metadata__=tensor()))
case("sound-crc-0", 0, "", lambda folder: (make_zip(folder, state(tensor())), without_crc(folder / "pytorch_model.bin")))


def without_crc(path):
    """Writers may leave the CRC out."""
    body = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 14), (b"PK\1\2", 16)):
        at = body.find(mark)
        while at >= 0:
            body[at + place:at + place + 4] = bytes(4)
            at = body.find(mark, at + 4)
    path.write_bytes(body)


def laughs(level):
    """A dict in which each of `level` dicts stands ten times in the next."""
    inner = text("k0") + laughs(level - 1) + b"".join(text("k%d" % k) + b"h" + bytes([level - 1]) for k in range(1, 10)) if level else text("w") + tensor()
    return b"}q" + bytes([level]) + b"(" + inner + b"u"


# --- what pickles ask for ---------------------------------------------------------------------------------------------------------

for module, attribute in (("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"), ("builtins", "getattr"), ("__builtin__", "eval"),
                          ("runpy", "_run_code"), ("subprocess", "Popen"), ("pip", "main"), ("pkgutil", "resolve_name"), ("operator", "attrgetter"),
                          ("functools", "partial"), ("torch", "load"), ("torch.hub", "load"), ("ssl", "get_server_certificate"), ("logging", "FileHandler"),
                          ("numpy.testing._private.utils", "runstring"), ("numpy.core.multiarray", "_reconstruct"), ("argparse", "Namespace"),
                          ("torch.nn.modules.linear", "Linear"), ("asyncio.unix_events", "_UnixSubprocessTransport._start")):
    of("calls-%s.%s" % (module.replace("__builtin__", "python2"), attribute), 5, "%s.%s" % (module.replace("__builtin__", "builtins"), attribute),
       state(tensor(), call(name(module, attribute), text("touch /tmp/repaq-was-here"))))
of("stack-global", 5, "os.system", pickle(b"\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R"))
of("global-from-memo", 5, "os.system", pickle(text("os") + b"q\x01" + text("system") + b"q\x02" + b"\x86" + b"h\x01h\x02\x93" + text("id") + b"\x85R" + b"\x86"))
of("newobj", 5, "os.system", state(name("os", "system") + text("id") + b"\x85\x81"))
of("named-and-not-called", 5, "os.system", state(tensor(), name("os", "system")))
of("call-popped", 5, "os.system", pickle(call(name("os", "system"), text("id")) + b"0" + dictionary([("w", tensor())])))
of("pop", 5, "opcode 0x30", pickle(b"K\x010" + dictionary([("w", tensor())])))
of("dup", 5, "opcode 0x32", pickle(dictionary([("w", tensor())]) + b"2\x86"))
of("inst", 5, "opcode 0x69", pickle(b"(" + text("id") + b"ios\nsystem\n"))
of("obj", 5, "opcode 0x6f", pickle(b"(" + name("collections", "OrderedDict") + b"o"))
of("extension", 5, "opcode 0x82", pickle(b"\x82\x01"))
of("next-buffer", 5, "opcode 0x97", pickle(b"\x97"))
of("persid-text", 5, "opcode 0x50", pickle(b"Pstorage\n"))
of("called-class", 4, "which is no function", state(call(name("torch", "HalfStorage"), number(3))))
of("called-string", 4, "no function", state(call(text("os.system"), text("id"))))
of("build-on-tensor", 4, "a state for something", state(tensor() + b"}b"))

# --- broken pickles ---------------------------------------------------------------------------------------------------------------

of("empty", 4, "truncated", b"")
of("no-stop", 4, "truncated", state(tensor())[:-1])
of("underflow", 4, "too few values", pickle(b"R"))
of("underflow-in-mark", 4, "too few values", pickle(b"K\x01(\x86"))
of("two-values", 4, "2 values", pickle(b"K\x01K\x02"))
of("open-mark", 4, "1 marks", pickle(b"(K\x01"))
of("no-mark", 4, "no mark", pickle(b"K\x01t"))
of("memo-unset", 4, "never set", pickle(b"h\x07"))
of("memo-huge", 4, "memo entry 4294967295", pickle(b"}r\xff\xff\xff\xff"))
of("string-huge", 4, "truncated", pickle(b"X\xff\xff\xff\xffabc"))
of("bytes-huge", 4, "truncated", pickle(b"\x8e" + b"\xff" * 8))
of("frame-huge", 4, "truncated", b"\x80\x04\x95" + b"\xff" * 8 + b"N.")
of("long-negative", 4, "negative length", pickle(b"\x8b\xff\xff\xff\xff"))
of("opcode-unknown", 4, "expected an opcode", pickle(b"\xff"))
of("protocol", 4, "protocol 9", b"\x80\x09N.")
of("after-stop", 4, "after the end", state(tensor()) + b"N.")
of("setitem-on-list", 4, "no dict", pickle(b"]" + text("a") + tensor() + b"s"))
of("append-on-dict", 4, "no list", pickle(b"}" + tensor() + b"a"))
of("odd-setitems", 4, "without a value", pickle(b"}(" + text("a") + b"u"))
of("surrogate-name", 4, "no text", state(**{"\ud800": tensor()}))
of("control-name", 4, "no text", state(**{"a\nb": tensor()}))
of("nul-name", 4, "no text", state(**{"a\0b": tensor()}))
of("duplicate-name", 4, "again", pickle(dictionary([("w", tensor()), ("w", tensor())])))
of("cycle", 5, "several places", pickle(b"}q\x00" + text("w") + tensor() + b"s" + text("self") + b"h\x00s"))
of("laughs", 5, "10 dicts", pickle(laughs(20)))
of("laughs-beside-a-tensor", 5, "several places", pickle(dictionary([("w", tensor()), ("more", laughs(20))])))
of("deep", 5, "something else than a dict", pickle(b"N" + b"\x85" * 1000000))
of("marks", 4, "1000000 marks", pickle(b"(" * 1000000 + b"N"))
of("nothing-to-the-mark", 5, "no tensors", pickle(b"(d"))
of("tuple-of-nothing", 5, "something else than a dict", pickle(b")"))
of("list-as-root", 5, "something else than a dict", pickle(b"]" + tensor() + b"a"))
of("no-tensors", 5, "no tensors", pickle(dictionary([("epoch", number(3))])))
of("two-dicts", 5, "2 dicts", pickle(dictionary([("a", dictionary([("w", tensor())])), ("b", dictionary([("w", tensor())]))])))

# --- tensors that lie about their storage -------------------------------------------------------------------------------------------

of("beyond-storage", 4, "outside its storage", state(tensor(shape=(4, 4))))
of("offset-beyond", 4, "outside its storage", state(tensor(offset=1)))
of("stride-beyond", 4, "outside its storage", state(tensor(stride=(5, 1))))
of("stride-overflow", 4, "outside its storage", state(tensor(shape=(3, 4), stride=(2**62, 1))))
of("size-overflow", 4, "outside its storage", state(tensor(shape=(2**62, 2**62), stride=(0, 0))))
of("expanded-without-end", 4, "outside its storage", state(tensor(shape=(2**40,), stride=(0,))))
of("negative-size", 4, "negative size", state(tensor(shape=(-3, 4))))
of("negative-stride", 4, "negative size or stride", state(tensor(stride=(-4, 1))))
of("negative-offset", 4, "without a storage and an offset", state(tensor(offset=-1)))
of("float-size", 4, "no integer", pickle(dictionary([("w", call(name("torch._utils", "_rebuild_tensor_v2"), storage("0"), number(0), several(
    b"G" + struct.pack(">d", 3.0)), ints((1,)), b"\x89", ORDERED))])))
of("rank-mismatch", 4, "no tuples of one length", state(tensor(stride=(4,))))
of("rank-9", 7, "9 dimensions", state(tensor(shape=(1,) * 9, stride=(1,) * 9)))
of("no-storage", 4, "without a storage", state(call(name("torch._utils", "_rebuild_tensor_v2"), number(0), number(0), ints((1,)), ints((1,)), b"\x89", ORDERED)))
of("pid-short", 4, "persistent id", state(several(text("storage")) + b"Q"))
of("pid-text", 4, "persistent id", state(text("storage") + b"Q"))
of("pid-class", 4, "without a class", state(several(text("storage"), text("HalfStorage"), text("0"), text("cpu"), number(12)) + b"Q"))
of("pid-numel-negative", 4, "number of elements", state(storage("0", count=-1)))
of("two-dtypes", 4, "two sizes or types", state(tensor(), tensor(kind="FloatStorage")))
of("two-numels", 4, "two sizes or types", state(tensor(), tensor(count=11, shape=(1,), stride=(1,))))
of("record-short", 4, "another size", state(tensor()), {"0": HALVES[:-2]})
of("record-long", 4, "another size", state(tensor()), {"0": HALVES + b"\0\0"})
of("record-missing", 4, "no data of this storage", state(tensor()), {"1": HALVES})
of("key-with-slash", 4, "storage key", state(tensor("../data.pkl")))
of("key-dots", 4, "storage key", state(tensor("..")))
of("key-long", 4, "storage key", state(tensor("1" * 65)))
of("meta", 5, "device meta", state(tensor(location="meta")))
of("lazy", 5, "conjugated", state(tensor(more=(b"}" + text("conj") + b"\x88s",))))
of("qtensor", 5, "_rebuild_qtensor", state(call(name("torch._utils", "_rebuild_qtensor"), number(0))))
of("complex128", 5, "complex", state(tensor(kind="ComplexDoubleStorage")))
of("v3-of-typed", 4, "of a storage that has a type", state(call(name("torch._utils", "_rebuild_tensor_v3"), storage("0"), number(0), ints((3,)), ints((1,)), b"\x89",
                                                             ORDERED, name("torch", "uint16"))))

# --- the older stream ---------------------------------------------------------------------------------------------------------------

case("stream-version", 4, "1001", lambda folder: (make_stream(folder), poke(folder / "pytorch_model.bin", 18, b"\xea")))
case("stream-short", 4, "truncated", lambda folder: make_stream(folder, bodies=(struct.pack("<q", 12) + HALVES[:-1],)))
case("stream-trailing", 4, "after the last storage", lambda folder: make_stream(folder, end=b"\0"))
case("stream-numel", 4, "another number of elements", lambda folder: make_stream(folder, bodies=(struct.pack("<q", 11) + HALVES[:22],)))
case("stream-numel-huge", 4, "another number of elements", lambda folder: make_stream(folder, bodies=(struct.pack("<Q", 2**63) + HALVES,)))
case("stream-key-unknown", 4, "that no tensor names", lambda folder: make_stream(folder, keys=("0", "1"), bodies=(struct.pack("<q", 12) + HALVES,) * 2))
case("stream-key-twice", 4, "twice", lambda folder: make_stream(folder, keys=("0", "0"), bodies=(struct.pack("<q", 12) + HALVES,) * 2))
case("stream-key-missing", 4, "does not name", lambda folder: make_stream(folder, keys=(), bodies=()))
case("stream-view-beyond", 4, "view of a storage", lambda folder: make_stream(folder, state(tensor().replace(
    number(12) + b"tQ", number(12) + several(text("1"), number(6), number(7)) + b"tQ"))))

# --- archives -----------------------------------------------------------------------------------------------------------------------


def archive(title, code, says, change, data=None, method=zipfile.ZIP_STORED, extra=()):
    def make(folder):
        make_zip(folder, state(tensor()) if data is None else data, method=method, extra=extra)
        path = folder / "pytorch_model.bin"
        path.write_bytes(change(path.read_bytes()))
    case("zip-" + title, code, says, make)


def central(body, member, place, data):
    """Changes the directory's record of a member."""
    at = body.index(b"PK\1\2")
    while body[at + 46:at + 46 + len(member)] != member:
        at = body.index(b"PK\1\2", at + 4)
    return body[:at + place] + data + body[at + place + len(data):]


archive("trailing", 4, "zip", lambda body: body + b"junk")
archive("prefix", 4, "", lambda body: b"PK\3\4junk" + body)
archive("two-archives", 4, "", lambda body: body + body)
archive("truncated", 4, "zip", lambda body: body[:-30])
archive("name-differs", 4, "zip", lambda body: body.replace(b"archive/data/0", b"archive/data/7", 1))
archive("local-size", 4, "", lambda body: body.replace(struct.pack("<II", 24, 24), struct.pack("<II", 23, 24), 1))
archive("encrypted", 5, "encrypted", lambda body: central(body.replace(b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0"), b"archive/data/0", 8, b"\1"))
archive("method", (4, 5), "", lambda body: central(body, b"archive/data/0", 10, b"\x0e"))
archive("size-beyond", 4, "", lambda body: central(body, b"archive/data/0", 20, struct.pack("<I", 1 << 30)))
archive("pickle-crc", 4, "", lambda body: body.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v3", 1))
archive("two-data-pkl", 4, "several data.pkl", lambda body: body, extra=(("other/data.pkl", b"N."),))
archive("torchscript", 5, "TorchScript", lambda body: body, extra=(("archive/constants.pkl", b"N."),))
archive("byteorder", 4, "little", lambda body: body.replace(b"little", b"middle").replace(struct.pack("<I", zlib.crc32(b"little")), struct.pack(
    "<I", zlib.crc32(b"middle"))))
case("zip-duplicate-name", 4, "", lambda folder: duplicate(folder))
case("zip-overlap", 4, "", lambda folder: overlap(folder))
case("zip-other", 5, "data.pkl", lambda folder: (make_zip(folder, state(tensor())), torchsave.write_zip(folder / "pytorch_model.bin", [("a.txt", b"x")])))
case("tar", 5, "tar", lambda folder: (make_zip(folder, state(tensor())), (folder / "pytorch_model.bin").write_bytes(bytes(257) + b"ustar\0" + bytes(800))))
case("plain-pickle", 4, "zip", lambda folder: (make_zip(folder, state(tensor())), (folder / "pytorch_model.bin").write_bytes(state(tensor()) + bytes(64))))


def duplicate(folder):
    make_zip(folder, state(tensor()), extra=(("archive/data/1", HALVES),))
    path = folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes().replace(b"archive/data/1", b"archive/data/0"))


def overlap(folder):
    """The bytes of one entry are a whole other entry (its header too)."""
    inner = b"PK\3\4" + struct.pack("<5HIIIHH", 20, 0, 0, 0, 0x21, zlib.crc32(HALVES), 24, 24, 14, 0) + b"archive/data/1" + HALVES
    make_zip(folder, state(tensor(), tensor("1")), {"0": inner[-24:], "2": inner}, extra=())
    path = folder / "pytorch_model.bin"
    body = path.read_bytes()
    record = b"PK\1\2" + struct.pack("<6HIIIHHHHHII", 20, 20, 0, 0, 0, 0x21, zlib.crc32(HALVES), 24, 24, 14, 0, 0, 0, 0, 0, body.index(inner)) + \
        b"archive/data/1"
    end = body.index(b"PK\5\6")
    count, _, size, start = struct.unpack("<HHII", body[end + 8:end + 20])
    tail = body[end:end + 8] + struct.pack("<HHII", count + 1, count + 1, size + len(record), start) + body[end + 20:]
    path.write_bytes(body[:end] + record + tail)


# --- Meta's layout --------------------------------------------------------------------------------------------------------------------

TINY = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "meta" / "tiny-mp2"


def meta(title, code, says, change):
    """The fixture of two shards, and what `change` does to it."""
    def make(folder):
        shutil.copytree(TINY, folder)
        change(folder)
    case("meta-" + title, code, says, make)


def params(**changes):
    def change(folder):
        path = folder / "params.json"
        document = json.loads(path.read_text())
        document.update(changes)
        path.write_text(json.dumps({key: value for key, value in document.items() if value != "gone"}))
    return change


def renamed(old, new):
    """In both shards' pickles: names of one length; the CRC is taken out."""
    def change(folder):
        for path in folder.glob("*.pth"):
            path.write_bytes(path.read_bytes().replace(old, new))
            without_crc(path)
    return change


def second(old, new):
    def change(folder):
        path = folder / "consolidated.01.pth"
        path.write_bytes(path.read_bytes().replace(old, new, 1))
        without_crc(path)
    return change


def other_norm(folder):
    path = folder / "consolidated.01.pth"
    body = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = body.index(archive.read("consolidated.01/data/0"))
    body[at + 12 * 8 * 2] ^= 1     # the first value of norm.weight, behind tok_embeddings
    path.write_bytes(body)


meta("sound", 0, "", lambda folder: None)
meta("nested-params", 0, "", lambda folder: (folder / "params.json").write_text(json.dumps({"model": json.loads((folder / "params.json").read_text())})))
meta("no-params", 4, "no params.json", lambda folder: (folder / "params.json").unlink())
meta("shard-missing", 4, "expected all shards", lambda folder: (folder / "consolidated.00.pth").unlink())
meta("half-of-the-shards", 4, "does not fit", lambda folder: (folder / "consolidated.01.pth").unlink())
meta("norms-differ", 4, "the same in all", other_norm)
meta("tensor-missing-in-second", 4, "expected it in every shard", second(b"feed_forward.w2", b"feed_forward.w9"))
meta("tensor-unknown", 5, "do not have in this layout", renamed(b"feed_forward.w2", b"feed_forward.w9"))
meta("layer-missing", 4, "R-INCOMPLETE", params(n_layers=2))
meta("layer-too-much", 4, "", renamed(b"layers.0.attention_norm", b"layers.7.attention_norm"))
meta("heads", 4, "does not fit", params(n_heads=8))
meta("kv-heads", 4, "does not fit", params(n_kv_heads=4))
meta("kv-heads-below-shards", 5, "kv heads", params(n_kv_heads=1))
meta("heads-zero", 4, "n_heads", params(n_heads=0))
meta("heads-odd", 4, "to divide", params(n_heads=3))
meta("dim-huge", 4, "dim", params(dim=2**40))
meta("dim-gone", 4, "no dim", params(dim="gone"))
meta("eps-negative", 4, "norm_eps", params(norm_eps=-1))
meta("vision", 5, "vision_chunk_size", params(vision_chunk_size=448))
meta("quantized", 5, "quantization_args", params(quantization_args={"scheme": "int8"}))
meta("moe", 5, "moe", params(moe={"num_experts": 8}))
