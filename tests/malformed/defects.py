"""The table of named defects: each makes a small sound checkpoint and then breaks it in one place.

A row gives the exit code that repaq must end with and a piece of its message. Exit 0 means that the checkpoint looks odd and is none the less sound."""
import json
import struct

import checkpoint
from checkpoint import MS_WEIGHTS

CASES = []
UP = "model.layers.0.mlp.up_proj"
DOWN = "model.layers.0.mlp.down_proj"
NAN = struct.pack("<f", float("nan"))


def case(name, code, says="", to="awq", options=()):
    """`says`: a text, or several that must all be there. A function may be registered several times, with different runs."""
    def register(function):
        CASES.append((name, function, code, (says,) if isinstance(says, str) else says, to, list(options)))
        return function
    return register


def change(folder, action, file="model.safetensors"):
    """Rewrites the tensors of a file as `action` leaves them."""
    tensors = checkpoint.read_tensors(folder / file)
    action(tensors)
    checkpoint.write_tensors(folder / file, tensors)


def change_json(folder, file, action):
    document = json.loads((folder / file).read_text())
    action(document)
    checkpoint.write_json(folder / file, document)


def ms(folder, zeros="sym", **options):
    checkpoint.make_msmodelslim(folder, checkpoint.weights(zeros=zeros, **{k: v for k, v in options.items() if k in ("group", "bits", "linears")}),
                                packed=options.get("packed", False), more=options.get("more"))


def ms_change(folder, action, **options):
    ms(folder, **options)
    change(folder, action, MS_WEIGHTS)


def poke(tensor, at, data):
    tensor[2][at:at + len(data)] = data


def sharded_gptq(folder):
    """A gptq checkpoint of two shards and an index; returns the index."""
    checkpoint.make_gptq(folder, checkpoint.weights())
    tensors = checkpoint.read_tensors(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for part, keep in ((1, lambda name: DOWN in name), (2, lambda name: DOWN not in name)):
        file = f"model-0000{part}-of-00002.safetensors"
        checkpoint.write_tensors(folder / file, {name: tensor for name, tensor in tensors.items() if keep(name)})
        weight_map.update({name: file for name in tensors if keep(name)})
    index = {"metadata": {"total_size": sum(len(tensor[2]) for tensor in tensors.values())}, "weight_map": weight_map}
    checkpoint.write_json(folder / "model.safetensors.index.json", index)
    return index


# --- files and indexes ---------------------------------------------------------------------------------------------------


@case("sound-gptq", 0, to="awq")
@case("sound-gptq-to-v2", 0, to="gptq_v2")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())


@case("sound-sharded", 0)
def _(folder):
    sharded_gptq(folder)


@case("sound-msmodelslim", 0)
@case("sound-msmodelslim-to-gptq", 0, to="gptq")
def _(folder):
    ms(folder)


@case("truncated-file", 4, ("truncated", "model.safetensors"))
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-100])


@case("truncated-shard", 4, ("truncated", "model-00002-of-00002.safetensors"))
def _(folder):
    sharded_gptq(folder)
    path = folder / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


@case("bytes-after-the-last-tensor", 4, "model.safetensors")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    with open(folder / "model.safetensors", "ab") as out:
        out.write(b"12345678")


@case("empty-file", 4, ("model.safetensors", "truncated", "at least 8"))
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    (folder / "model.safetensors").write_bytes(b"")


@case("header-length-huge", 4, ("model.safetensors", "header length"))
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", (1 << 64) - 1) + data[8:])


@case("missing-shard", 4, "model-00001-of-00002.safetensors")
def _(folder):
    sharded_gptq(folder)
    (folder / "model-00001-of-00002.safetensors").unlink()


@case("shard-that-the-index-forgot", 4, ("model-00001-of-00002.safetensors", "R-INCOMPLETE"))
def _(folder):
    index = sharded_gptq(folder)
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file != "model-00001-of-00002.safetensors"}
    checkpoint.write_json(folder / "model.safetensors.index.json", index)


@case("missing-shard-no-index", 4, "00001-of-00002")
def _(folder):
    sharded_gptq(folder)
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model-00001-of-00002.safetensors").unlink()


def index_points_at(place):
    def make(folder):
        index = sharded_gptq(folder)
        outside = folder.parent / "x.safetensors"
        outside.write_bytes((folder / "model-00001-of-00002.safetensors").read_bytes())
        for name, file in index["weight_map"].items():
            if file.startswith("model-00001"):
                index["weight_map"][name] = place
        checkpoint.write_json(folder / "model.safetensors.index.json", index)
    return make


for title, place in (("parent", "../x.safetensors"), ("absolute", "/x.safetensors"), ("drive", "C:\\x.safetensors"), ("drive-slash", "C:/x.safetensors"),
                     ("backslash", "..\\x.safetensors"), ("inner", "a/../../x.safetensors"), ("dot", "./../x.safetensors"), ("empty", ""),
                     ("no-weights", "config.json")):
    case("index-points-outside-" + title, 4, "model.safetensors.index.json")(index_points_at(place))


@case("index-names-a-tensor-that-its-shard-lacks", 4, ("model.ghost.weight",))
def _(folder):
    index = sharded_gptq(folder)
    index["weight_map"]["model.ghost.weight"] = "model-00001-of-00002.safetensors"
    checkpoint.write_json(folder / "model.safetensors.index.json", index)


@case("index-weight-map-is-a-list", 4, "model.safetensors.index.json")
def _(folder):
    index = sharded_gptq(folder)
    index["weight_map"] = list(index["weight_map"])
    checkpoint.write_json(folder / "model.safetensors.index.json", index)


@case("index-duplicate-key", 4, ("model.safetensors.index.json", "lm_head.weight"))
def _(folder):
    sharded_gptq(folder)
    path = folder / "model.safetensors.index.json"
    path.write_text(path.read_text().replace('"weight_map": {', '"weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors",'))


@case("wrong-total-size-is-a-note", 0, to="awq")
def _(folder):
    index = sharded_gptq(folder)
    index["metadata"]["total_size"] += 4096
    checkpoint.write_json(folder / "model.safetensors.index.json", index)


@case("duplicate-tensor-in-two-shards", 4, "lm_head.weight")
def _(folder):
    sharded_gptq(folder)
    tensors = checkpoint.read_tensors(folder / "model-00002-of-00002.safetensors")
    change(folder, lambda first: first.update({"lm_head.weight": tensors["lm_head.weight"]}), "model-00001-of-00002.safetensors")


@case("duplicate-key-in-header", 4, "model.norm.weight")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    tensors = checkpoint.read_tensors(folder / "model.safetensors")
    text = checkpoint.header_text(tensors)
    text = text[:-1] + ',"model.norm.weight":' + json.dumps({"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}) + "}"
    checkpoint.write_tensors(folder / "model.safetensors", tensors, text)


@case("duplicate-key-escaped-in-header", 4, "model.norm.weight")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    tensors = checkpoint.read_tensors(folder / "model.safetensors")
    text = checkpoint.header_text(tensors)
    text = text[:-1] + ',"model\\u002enorm.weight":' + json.dumps({"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}) + "}"
    checkpoint.write_tensors(folder / "model.safetensors", tensors, text)


@case("duplicate-key-in-config", 4, "config.json")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"bits": 4,', '"bits": 8, "bits": 4,'))


@case("config-is-no-object", 4, ("config.json", "no object"))
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    checkpoint.write_json(folder / "config.json", [1])


@case("config-nested-too-deep", (4, 7), "config.json")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    (folder / "config.json").write_text('{"a":' + "[" * 100000 + "]" * 100000 + "}")


@case("config-is-a-directory", (2, 3, 4), "")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()


def header_says(old, new):
    def make(folder):
        checkpoint.make_gptq(folder, checkpoint.weights())
        tensors = checkpoint.read_tensors(folder / "model.safetensors")
        text = checkpoint.header_text(tensors)
        assert old in text
        checkpoint.write_tensors(folder / "model.safetensors", tensors, text.replace(old, new, 1))
    return make


case("header-shape-overflow", 4, "model.embed_tokens.weight")(header_says('"shape":[32,64]', '"shape":[4294967296,4294967296]'))
case("header-shape-negative", 4, "model.safetensors")(header_says('"shape":[32,64]', '"shape":[-32,-64]'))
case("header-shape-fraction", 4, "model.safetensors")(header_says('"shape":[32,64]', '"shape":[32.0,64]'))
case("header-shape-contradicts-offsets", 4, "model.embed_tokens.weight")(header_says('"shape":[32,64]', '"shape":[32,63]'))
case("header-offsets-swapped", 4, "model.embed_tokens.weight")(header_says('"data_offsets":[0,4096]', '"data_offsets":[4096,0]'))
case("header-dtype-unknown", (4, 5), "model.embed_tokens.weight")(header_says('"dtype":"F16"', '"dtype":"F17"'))
case("header-hole", 4, "model.safetensors")(header_says('"data_offsets":[0,4096]', '"data_offsets":[8,4096]'))
case("header-garbage", 4, "model.safetensors")(header_says('{"model.embed', '{model.embed'))


# --- headers and indexes, one rule each --------------------------------------------------------------------------------------------

FIRST = '"model.embed_tokens.weight":{"dtype":"F16","shape":[32,64],"data_offsets":[0,4096]}'
EMPTY = '"shape":[0],"data_offsets":[0,0]'
for title, code, says, entry in (
        ("rank-9", 7, "more than 8 dimensions", FIRST.replace("[32,64]", "[1,1,1,1,1,1,1,32,64]")),
        ("three-offsets", 4, "more than 2", FIRST.replace("[0,4096]", "[0,4096,0]")),
        ("one-offset", 4, "less than 2", FIRST.replace("[0,4096]", "[0]")),
        ("shape-twice", 4, '"shape" twice', FIRST.replace('"shape":[32,64]', '"shape":[32,64],"shape":[32,64]')),
        ("no-dtype", 4, 'no "dtype"', FIRST.replace('"dtype":"F16",', "")),
        ("no-offsets", 4, 'no "data_offsets"', FIRST.replace(',"data_offsets":[0,4096]', "")),
        ("offsets-backwards", 4, "before they begin", FIRST.replace("[0,4096]", "[4096,0]")),
        ("name-too-long", 7, "tensor name of 5000 bytes", FIRST + ',"' + "n" * 5000 + '":{"dtype":"F16",' + EMPTY + "}"),
        ("entry-is-a-number", 4, "no object", FIRST + ',"odd":7'),
        ("dtype-is-a-number", 4, "model.embed_tokens.weight", FIRST.replace('"F16"', "7")),
        ("metadata-is-a-list", 4, "__metadata__", FIRST + ',"__metadata__":[]'),
        ("metadata-of-numbers", 4, "no string", FIRST + ',"__metadata__":{"a":1}'),
        ("metadata-twice", 4, "__metadata__ twice", FIRST + ',"__metadata__":{},"__metadata__":{}')):
    case("header-" + title, code, ("model.safetensors", says))(header_says(FIRST, entry))
case("header-metadata-null", 0)(header_says(FIRST, FIRST + ',"__metadata__":null'))


def weights_are(make):
    def build(folder):
        checkpoint.make_gptq(folder, checkpoint.weights())
        make(folder / "model.safetensors")
    return build


def sparse(path):
    with open(path, "r+b") as file:
        file.write(struct.pack("<Q", 100000001))
        file.truncate(100000100)


case("header-of-100000001-bytes", 7, ("model.safetensors", "the most is 100000000"))(weights_are(sparse))
case("header-of-1-byte", 4, ("model.safetensors", "at least 2"))(weights_are(lambda path: path.write_bytes(struct.pack("<Q", 1) + b"{}")))
case("header-longer-than-the-file", 4, ("truncated", "the header needs 1008"))(weights_are(lambda path: path.write_bytes(struct.pack("<Q", 1000) + b"{}")))
case("file-of-7-bytes", 4, ("truncated", "at least 8"))(weights_are(lambda path: path.write_bytes(b"1234567")))


def index_text(change_text):
    def make(folder):
        sharded_gptq(folder)
        path = folder / "model.safetensors.index.json"
        path.write_text(change_text(path.read_text()))
    return make


case("index-weight-map-twice", 4, "weight_map twice")(index_text(lambda text: text.rstrip()[:-1] + ',"weight_map":{}}'))
case("index-metadata-twice", 4, "metadata twice")(index_text(lambda text: text.rstrip()[:-1] + ',"metadata":{}}'))
case("index-total-size-twice", 4, "total_size twice")(index_text(lambda text: text.replace('"metadata": {', '"metadata": {"total_size": 1,')))
case("index-without-weight-map", 4, "no weight_map")(index_text(lambda text: '{"metadata": {}}'))
case("index-of-no-tensor", 4, "an empty weight_map")(index_text(lambda text: '{"weight_map": {}}'))
case("index-names-the-wrong-shard", 4, ("lm_head.weight", "expected it in shard model-00001"))(
    index_text(lambda text: text.replace('"lm_head.weight": "model-00002', '"lm_head.weight": "model-00001')))


@case("shard-number-beyond-the-count", 4, "a number from 1 to 2")
def _(folder):
    sharded_gptq(folder)
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model-00003-of-00002.safetensors").write_bytes((folder / "model-00001-of-00002.safetensors").read_bytes())


@case("two-indexes", 4, "expected one")
def _(folder):
    sharded_gptq(folder)
    (folder / "other.safetensors.index.json").write_bytes((folder / "model.safetensors.index.json").read_bytes())
