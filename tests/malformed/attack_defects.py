"""Attacks on parsers that the other files lack: headers of safetensors and JSON that say odd things, archives that say two, files under another's name."""
import struct
import zlib

import checkpoint
import defects
import gptq_defects
import torchsave
from defects import FIRST, case
from torch_defects import archive, central, of
from torchsave import HALVES, call, dictionary, make_zip, name, number, pickle, several, state, tensor, text

# --- safetensors ----------------------------------------------------------------------------------------------------------------


def header(change):
    """The header's text, changed; what is no text is bytes. No padding is added."""
    def make(folder):
        checkpoint.make_gptq(folder, checkpoint.weights())
        path = folder / "model.safetensors"
        tensors = checkpoint.read_tensors(path)
        raw = change(checkpoint.header_text(tensors))
        raw = raw.encode() if isinstance(raw, str) else raw
        path.unlink()
        path.write_bytes(struct.pack("<Q", len(raw)) + raw + b"".join(bytes(body) for _, _, body in tensors.values()))
    return make


def entry(new):
    return header(lambda raw: raw.replace(FIRST, new, 1))


def offsets(value):
    return entry(FIRST.replace("[0,4096]", value))


def shape(value):
    return entry(FIRST.replace("[32,64]", value))


for title, code, make in (
        ("no-bytes", 4, header(lambda raw: b"")), ("a-list", 4, header(lambda raw: "[]")), ("null", 4, header(lambda raw: "null")),
        ("blanks", 4, header(lambda raw: " " * 64)), ("byte-order-mark", 4, header(lambda raw: "\ufeff" + raw)), ("nul-padding", 4, header(lambda raw: raw + "\0" * 8)),
        ("trailing-comma", 4, header(lambda raw: raw[:-1] + ",}")), ("text-behind", 4, header(lambda raw: raw + "x")), ("two-objects", 4, header(lambda raw: raw + "{}")),
        ("control-in-a-name", 4, header(lambda raw: raw.replace("lm_head", "lm\thead"))), ("lone-surrogate", 4, header(lambda raw: raw.replace("lm_head", "lm\\ud800head"))),
        ("no-utf8", 4, header(lambda raw: raw.encode().replace(b"lm_head", b"lm\xffhead"))), ("nul-in-a-name", 4, header(lambda raw: raw.replace("lm_head", "lm\\u0000head"))),
        ("offset-fraction", 4, offsets("[0.0,4096]")), ("offset-exponent", 4, offsets("[0,4096e0]")), ("offset-minus-0", 4, offsets("[-0,4096]")),
        ("offset-leading-0", 4, offsets("[0,04096]")), ("offset-a-string", 4, offsets('["0",4096]')), ("offset-beyond-u64", 4, offsets("[0,18446744073709551616]")),
        ("offset-null", 4, offsets("null")), ("shape-an-object", 4, shape("{}")), ("shape-a-string", 4, shape('["32",64]')), ("shape-huge-and-0", 4, shape("[9223372036854775807,2,0]")),
        ("shape-0-and-huge", 4, shape("[0,9223372036854775807,2]")), ("shape-nan", 4, shape("[NaN,64]")),
        ("tensor-null", 4, entry('"model.embed_tokens.weight":null')), ("starts-late", 4, header(lambda raw: raw.replace("[0,4096]", "[4096,8192]", 1))),
        ("deep-unknown-field", (4, 7), entry(FIRST[:-1] + ',"x":' + "[" * 200 + "]" * 200 + "}")), ("comment", 4, header(lambda raw: "/*x*/" + raw))):
    case("safetensors-" + title, code, "model.safetensors")(make)
case("safetensors-leading-blanks", 0)(header(lambda raw: "  \n" + raw))
case("safetensors-unknown-field", 0)(entry(FIRST[:-1] + ',"x":{"y":[1,null,"z"]}}'))
case("safetensors-of-odd-length", 0)(header(lambda raw: raw + " " * (1 - len(raw) % 2)))


def more(**tensors):
    def make(folder):
        checkpoint.make_gptq(folder, checkpoint.weights())
        defects.change(folder, lambda old: old.update(tensors))
    return make


case("safetensors-empty-and-scalar-tensors", 0)(more(**{"a.none": ["F32", [0, 7], bytearray()], "a.one": ["F32", [], bytearray(4)], "b.odd": ["U8", [3], bytearray(3)]}))
case("safetensors-is-a-zip", 4, "model.safetensors")(defects.weights_are(lambda path: torchsave.write_zip(path, [("a/data.pkl", b"N.")])))
case("safetensors-is-a-pickle", 4, "model.safetensors")(defects.weights_are(lambda path: path.write_bytes(state(tensor()) + bytes(64))))

# --- JSON -------------------------------------------------------------------------------------------------------------------------


def config(change):
    def make(folder):
        checkpoint.make_gptq(folder, checkpoint.weights())
        path = folder / "config.json"
        path.write_bytes(change(path.read_bytes()))
    return make


for title, change in (("byte-order-mark", lambda raw: b"\xef\xbb\xbf" + raw), ("trailing-comma", lambda raw: raw.rstrip()[:-1] + b",}"), ("cut-off", lambda raw: raw[:-20]),
                      ("empty", lambda raw: b""), ("no-utf8", lambda raw: raw.replace(b"olmo2", b"ll\xffma", 1)), ("utf16", lambda raw: raw.decode().encode("utf-16")),
                      ("nan", lambda raw: raw.replace(b"1e-06", b"NaN")), ("single-quotes", lambda raw: raw.replace(b'"', b"'")), ("two-documents", lambda raw: raw + raw),
                      ("nul-behind", lambda raw: raw + b"\0"), ("duplicate-by-escape", lambda raw: raw.replace(b'"bits"', b'"\\u0062its": 8, "bits"', 1)),
                      ("lone-surrogate", lambda raw: raw.replace(b"olmo2", b"\\udc00", 1))):
    case("config-" + title, 4, "config.json")(config(change))
case("config-of-large-numbers", 0)(config(lambda raw: raw.replace(b'"hidden_size"', b'"seed": 123456789012345678901234567890, "tiny": 1e-400, "hidden_size"', 1)))
case("config-bits-in-a-string-of-digits", 4, "bits")(gptq_defects.config_says(bits="4 "))

# --- pickles ----------------------------------------------------------------------------------------------------------------------

SYSTEM = call(name("os", "system"), text("touch /tmp/repaq-was-here"))
of("payload-then-broken", (4, 5), "", b"\x80\x02" + SYSTEM + b"\xff\xff")
of("payload-then-cut-off", (4, 5), "", (b"\x80\x02" + SYSTEM + b"X\xff\xff")[:-1])
for module, attribute in (("torch.utils._config_module", "load_config"), ("torch.jit.unsupported_tensor_ops", "execWrapper"), ("torch._dynamo.guards", "GuardBuilder.get"),
                          ("torch.serialization", "load"), ("numpy", "load"), ("numpy.f2py.crackfortran", "getlincoef"), ("shutil", "rmtree"), ("webbrowser", "open"),
                          ("_io", "FileIO"), ("codecs", "decode"), ("importlib", "import_module")):
    of("names-%s.%s" % (module, attribute), 5, "%s.%s" % (module, attribute), state(tensor(), call(name(module, attribute), text("x"))))
of("sparse", 5, "sparse", state(tensor(), call(name("torch._utils", "_rebuild_sparse_tensor"), text("x"))))
of("memo-of-another-type", (4, 5), "", pickle(b"K\x05q\x00" + b"h\x00h\x00\x93."))
of("long4-huge", 4, "truncated", pickle(b"\x8b\xff\xff\xff\x7f"))
of("unicode8-huge", 4, "truncated", pickle(b"\x8d" + b"\xff" * 8))
of("long1-of-300-bits", (4, 5), "", pickle(dictionary([("w", call(name("torch._utils", "_rebuild_tensor_v2"), torchsave.storage("0"), b"\x8a\x26" + b"\x01" * 38,
                                                                  several(number(3)), several(number(1)), b"\x89", torchsave.ORDERED))])))
of("tuple-of-marks", 4, "", pickle(b"((((t"))
of("frozenset", (4, 5), "", pickle(b"(K\x01\x91"))

# --- archives ------------------------------------------------------------------------------------------------------------------------


def end_record(place, data):
    def change(body):
        at = body.rindex(b"PK\5\6")
        return body[:at + place] + data + body[at + place + len(data):]
    return change


def count_of(delta):
    def change(body):
        at = body.rindex(b"PK\5\6")
        count = struct.unpack_from("<H", body, at + 8)[0] + delta
        return body[:at + 8] + struct.pack("<HH", count, count) + body[at + 12:]
    return change


archive("count-too-small", 4, "zip", count_of(-1))
archive("count-too-large", 4, "zip", count_of(1))
archive("directory-beyond", 4, "zip", end_record(16, struct.pack("<I", 1 << 30)))
archive("comment-with-an-end", 4, "", lambda body: end_record(20, struct.pack("<H", 22))(body) + b"PK\5\6" + bytes(18))
archive("two-disks", (4, 5), "", end_record(4, struct.pack("<H", 1)))
archive("header-beyond", 4, "", lambda body: central(body, b"archive/data/0", 42, struct.pack("<I", 1 << 30)))
archive("entry-on-another", 4, "", lambda body: central(body, b"archive/data/0", 42, struct.pack("<I", 0)))
archive("strong-encryption", (4, 5), "", lambda body: central(body, b"archive/data/0", 8, b"\x41\0"))
archive("folder-in-capitals", 4, "", lambda body: body.replace(b"archive/data/0", b"archive/DATA/0"))


def bomb(folder):
    """data.pkl deflated, whose directory says 24 bytes and whose stream gives many."""
    squeezed = zlib.compress(bytes(50 << 20), 9)[2:-4]
    make_zip(folder, state(tensor()))
    fields = struct.pack("<5HIIIHH", 20, 0, 8, 0, 0x21, 0, len(squeezed), 24, 16, 0)
    local = b"PK\3\4" + fields + b"archive/data.pkl" + squeezed
    record = b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"archive/data.pkl"
    (folder / "pytorch_model.bin").write_bytes(local + record + b"PK\5\6" + struct.pack("<4HIIH", 0, 0, 1, 1, len(record), len(local), 0))


defects.case("torch-zip-bomb-that-lies", 4, "", to="hf")(bomb)
defects.case("torch-7z", (4, 5), "", to="hf")(lambda folder: (make_zip(folder, state(tensor())), (folder / "pytorch_model.bin").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(200))))
defects.case("torch-is-safetensors", (0, 4, 5), "", to="hf")(lambda folder: (make_zip(folder, state(tensor())), checkpoint.write_tensors(
    folder / "pytorch_model.bin", {"w": ["F16", [3, 4], bytearray(HALVES)]})))
