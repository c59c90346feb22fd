"""What torch.save writes, assembled from opcodes by hand: no torch is needed, and nothing here is ever unpickled."""
import struct
import zipfile

import checkpoint

MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
SYS_INFO = b"\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03X\x0d\x00\x00\x00little_endianq\x02\x88u."


def text(value):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -2**31 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    size = (value.bit_length() + 8) // 8
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def name(module, attribute):
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def several(*parts):
    return b"(" + b"".join(parts) + b"t"


def call(function, *parts):
    return function + several(*parts) + b"R"


ORDERED = call(name("collections", "OrderedDict"))


def storage(key, kind="HalfStorage", count=12, location="cpu", more=()):
    return several(text("storage"), name("torch", kind), text(key), text(location), number(count), *more) + b"Q"


def ints(values):
    return several(*map(number, values))


def tensor(key="0", shape=(3, 4), stride=(4, 1), offset=0, kind="HalfStorage", count=12, more=(), **options):
    return call(name("torch._utils", "_rebuild_tensor_v2"), storage(key, kind, count, **options), number(offset), ints(shape), ints(stride), b"\x89", ORDERED,
                *more)


def dictionary(pairs):
    return b"}(" + b"".join(text(key) + value for key, value in pairs) + b"u"


def pickle(value):
    return b"\x80\x02" + value + b"."


def state(*values, **named):
    """The pickle of a state dict: values under w0, w1, ..."""
    pairs = [("w%d" % index, value) for index, value in enumerate(values)] + list(named.items())
    return pickle(dictionary(pairs))


def members(data, storages, top="archive"):
    yield top + "/data.pkl", data
    yield top + "/byteorder", b"little"
    for key, content in storages.items():
        yield top + "/data/" + key, content
    yield top + "/version", b"3\n"


def write_zip(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, content in entries:
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), content, method)


HALVES = bytes(range(24))


def make_zip(folder, data, storages=None, method=zipfile.ZIP_STORED, extra=()):
    """A checkpoint directory around data.pkl and its storages."""
    folder.mkdir(parents=True)
    checkpoint.write_json(folder / "config.json", checkpoint.CONFIG)
    write_zip(folder / "pytorch_model.bin", [*members(data, {"0": HALVES} if storages is None else storages), *extra], method)


def make_stream(folder, data=None, keys=("0",), bodies=(struct.pack("<q", 12) + HALVES,), end=b""):
    folder.mkdir(parents=True)
    checkpoint.write_json(folder / "config.json", checkpoint.CONFIG)
    listing = pickle(b"](" + b"".join(map(text, keys)) + b"e")
    data = state(tensor()) if data is None else data
    (folder / "pytorch_model.bin").write_bytes(MAGIC + pickle(number(1001)) + SYS_INFO + data + listing + b"".join(bodies) + end)
