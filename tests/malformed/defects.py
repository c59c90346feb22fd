"""The table of named defects: each makes a small sound checkpoint and then breaks it in one place.

A row gives the exit code that repaq must end with and a piece of its message. Exit 0 means that the checkpoint looks odd and is none the less sound."""
import json
import struct

import checkpoint
from checkpoint import DESCRIPTION, MS_WEIGHTS

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


# --- msModelSlim ------------------------------------------------------------------------------------------------------------


@case("described-tensor-in-no-shard", 4, ("model.layers.9.ghost.weight", "R-INCOMPLETE"))
def _(folder):
    ms(folder, more={"model.layers.9.ghost.weight": "W4A16"})


@case("undescribed-integer-tensor", 4, ("model.layers.0.extra.weight", "does not list"))
def _(folder):
    ms_change(folder, lambda tensors: tensors.update({"model.layers.0.extra.weight": ["I8", [4, 8], bytearray(32)]}))


@case("undescribed-float-tensor-is-carried", 0)
def _(folder):
    ms_change(folder, lambda tensors: tensors.update({"model.layers.0.extra.weight": ["F32", [4], bytearray(16)]}))


@case("undescribed-scale-of-a-described-weight", 4, (UP + ".weight_scale", "does not list"))
def _(folder):
    ms(folder)
    change_json(folder, DESCRIPTION, lambda description: description.pop(UP + ".weight_scale"))


@case("described-w4a16-holds-floats", 4, (UP + ".weight", "F32"))
def _(folder):
    ms_change(folder, lambda tensors: tensors.update({UP + ".weight": ["F32", [64, 64], bytearray(64 * 64 * 4)]}))


@case("described-float-holds-integers", 4, (UP + ".weight", "FLOAT"))
def _(folder):
    ms(folder)
    change_json(folder, DESCRIPTION, lambda description: description.update({UP + ".weight": "FLOAT"}))


@case("codes-without-scales", 4, UP)
def _(folder):
    ms_change(folder, lambda tensors: tensors.pop(UP + ".weight_scale"))


@case("scales-without-codes", 4, UP)
def _(folder):
    ms_change(folder, lambda tensors: tensors.pop(UP + ".weight"))
    change_json(folder, DESCRIPTION, lambda description: description.pop(UP + ".weight"))


@case("wrong-group-size", 4, "group_size")
def _(folder):
    ms(folder, packed=True, more={"group_size": 64})


@case("group-size-negative", 4, "group_size")
def _(folder):
    ms(folder, packed=True, more={"group_size": -32})


@case("w8a16-described-but-packed-shapes", 4, "R-SHAPE")
def _(folder):
    ms(folder, packed=True)
    change_json(folder, DESCRIPTION, lambda description: description.update({k: "W8A16" for k, v in description.items() if v == "W4A16"}))


@case("version-unknown", 5, "2.0.0")
def _(folder):
    ms(folder, packed=True, more={"version": "2.0.0"})


@case("packed-shapes-without-version", 4, "")
def _(folder):
    ms(folder, packed=True)
    change_json(folder, DESCRIPTION, lambda description: description.pop("version"))


@case("unpacked-shapes-with-version", 4, "")
def _(folder):
    ms(folder, more={"version": "1.0.0", "group_size": 32})


@case("nan-scale", 4, (UP, "R-NONFINITE"))
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_scale"], 8, NAN))


@case("infinite-scale", 4, (UP, "R-NONFINITE"))
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_scale"], 8, struct.pack("<f", float("-inf"))))


@case("nan-offset-on-a-live-group", 4, (UP, "R-NONFINITE"))
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_offset"], 4, NAN))


@case("nan-offset-where-the-scale-is-zero", 0)
@case("nan-offset-where-the-scale-is-zero-to-gptq", 0, to="gptq")
def _(folder):
    def action(tensors):
        poke(tensors[UP + ".weight_offset"], 4, NAN)
        poke(tensors[UP + ".weight_scale"], 4, bytes(4))
    ms_change(folder, action)


@case("fractional-offset", 6, (UP, "R-RANGE"))
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_offset"], 4, struct.pack("<f", 0.5)))


@case("offset-above-the-range", 6, (UP, "R-RANGE"))
@case("offset-above-the-range-to-gptq-v2", 6, (UP, "R-RANGE"), to="gptq_v2")
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_offset"], 4, struct.pack("<f", 8)))


@case("offset-far-below-the-range", 6, (UP, "R-RANGE"))
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_offset"], 4, struct.pack("<f", -940)))


@case("offset-huge", 6, UP)
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_offset"], 4, struct.pack("<f", 3e38)))


@case("zero-of-0-to-awq", 0)
@case("zero-of-0-to-gptq", 6, (UP, "R-ZERO-V1", "gptq_v2"), to="gptq")
@case("zero-of-0-to-gptq-v2", 0, to="gptq_v2")
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_offset"], 4, struct.pack("<f", -8)))


@case("unpacked-byte-above-7", 4, UP)
@case("unpacked-byte-above-7-to-gptq", 4, UP, to="gptq")
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight"], 777, bytes([8])))


@case("unpacked-byte-below-minus-8", 4, UP)
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight"], 64 * 64 - 1, bytes([256 - 9])))


@case("scale-overflows-f16", 6, (UP, "R-SCALE"))
@case("scale-overflows-f16-not-bf16", 0, to="gptq", options=["--dtype", "bf16"])
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_scale"], 4, struct.pack("<f", 70000)))


@case("scale-underflows-f16", 6, (UP, "R-SCALE"))
@case("scale-underflows-f16-not-bf16", 0, to="gptq", options=["--dtype", "bf16"])
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_scale"], 4, struct.pack("<f", 1e-9)))


@case("scale-rounds", 0)
@case("scale-rounds-exact", 6, (UP, "R-SCALE", "--exact"), options=["--exact"])
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_scale"], 4, struct.pack("<f", 0.1)))


@case("scale-negative-is-a-value", 0)
def _(folder):
    ms_change(folder, lambda tensors: poke(tensors[UP + ".weight_scale"], 4, struct.pack("<f", -0.125)))


@case("out-features-12-to-awq", 6, ("R-SHAPE", "12"))
def _(folder):
    ms(folder, linears=(("model.layers.0.self_attn.q_proj", 12, 64),))


@case("in-features-36-to-gptq", 6, ("R-SHAPE", "36"), to="gptq")
def _(folder):
    ms(folder, linears=(("model.layers.0.self_attn.q_proj", 32, 36),), group=12)


@case("8-bit-codes-to-awq", 6, "R-BITS")
@case("8-bit-codes-to-gptq", 0, to="gptq")
@case("8-bit-codes-asked-as-4", 6, "R-BITS", to="gptq", options=["--bits", "4"])
@case("8-bit-codes-asked-as-3", 6, "R-BITS", to="gptq", options=["--bits", "3"])
def _(folder):
    ms(folder, bits=8)


@case("4-bit-codes-widened", 0, to="gptq", options=["--bits", "8"])
@case("4-bit-codes-widened-for-awq", 6, "R-BITS", options=["--bits", "8"])
@case("finer-groups", 0, options=["--group-size", "16"])
@case("coarser-groups", 6, "R-GROUP", options=["--group-size", "64"])
@case("coarser-to-per-channel", 6, "R-GROUP", options=["--group-size", "-1"])
@case("groups-that-do-not-divide", 6, "R-GROUP", options=["--group-size", "12"])
def _(folder):
    ms(folder)


NORM = "model.layers.0.input_layernorm"


def norm_bias(value, layer_norm=False):
    def make(folder):
        ms(folder, more={NORM + ".bias": "FLOAT"})
        change(folder, lambda tensors: tensors.update({NORM + ".bias": ["F32", [64], checkpoint.f32([0.0] * 63 + [value])]}), MS_WEIGHTS)
        if layer_norm:
            change_json(folder, "config.json", lambda config: (config.pop("rms_norm_eps"), config.update({"layer_norm_eps": 1e-5})))
    return make


case("norm-bias-all-zero", 0)(norm_bias(0.0))
case("norm-bias-not-zero", 6, (NORM + ".bias", "R-NORMBIAS"))(norm_bias(0.25))
case("norm-bias-of-a-layernorm", 0)(norm_bias(0.25, layer_norm=True))
case("norm-bias-negative-zero", 0)(norm_bias(-0.0))
case("norm-bias-nan", 6, NORM + ".bias")(norm_bias(float("nan")))


def twin(same):
    def make(folder):
        ms(folder, more={NORM + ".module.weight": "FLOAT"})

        def action(tensors):
            dtype, shape, body = tensors[NORM + ".weight"]
            body = bytearray(body)
            if not same:
                body[0] ^= 1
            tensors[NORM + ".module.weight"] = [dtype, shape, body]
        change(folder, action, MS_WEIGHTS)
    return make


case("module-twin-equal", 0)(twin(True))
case("module-twin-differs", 6, (NORM + ".module.weight", "R-NORMBIAS"))(twin(False))


@case("div-mul-scale", 5, "R-ACTSCALE")
def _(folder):
    ms(folder, more={DOWN + ".div.mul_scale": "FLOAT"})
    change(folder, lambda tensors: tensors.update({DOWN + ".div.mul_scale": ["F32", [128], bytearray(512)]}), MS_WEIGHTS)


@case("quarot-in-metadata", 5, ("quarot", "R-ROT"))
def _(folder):
    ms(folder, packed=True, more={"metadata": {"quarot": {"max_tp_size": 4}}, "optional": {}})


@case("quarot-in-optional", 5, ("quarot", "R-ROT"))
def _(folder):
    ms(folder, packed=True, more={"metadata": {}, "optional": {"quarot": {"rotation_map": {"global_rotation": "optional/quarot.safetensors"}}}})


@case("metadata-empty", 0)
def _(folder):
    ms(folder, packed=True, more={"metadata": {}, "optional": {}, "kv_cache_type": None, "fa_quant_type": None})


def described_as(kind, **members):
    def make(folder):
        ms(folder)
        change_json(folder, DESCRIPTION, lambda description: description.update(
            {name: kind for name in description if name.startswith(UP + ".")} if kind else members))
    return make


for kind in ("W8A8S", "W4A8_DYNAMIC", "W4A4_MXFP4", "NF4", "W4A16_FUTURE"):
    case("described-as-" + kind.lower(), 5, kind)(described_as(kind))
case("described-as-w8a8-without-its-parts", 4, (UP, "input_scale"))(described_as("W8A8"))
case("described-as-w8a8_dynamic", 6, (UP, "R-ACTPARAM"), to="gptq")(described_as("W8A8_DYNAMIC"))
case("described-as-a-number", 4, (UP, "no string"))(described_as(7))
case("kv-cache-type", 5, "kv_cache_type")(described_as(None, kv_cache_type="C8", kv_quant_type="C8"))
case("kv-quant-type", 5, "kv_quant_type")(described_as(None, kv_quant_type="C8"))


@case("description-duplicate-key", 4, UP + ".weight")
def _(folder):
    ms(folder)
    path = folder / DESCRIPTION
    path.write_text("{" + f'"{UP}.weight": "FLOAT",' + path.read_text()[1:])


@case("description-cut-off", 4, DESCRIPTION)
def _(folder):
    ms(folder)
    path = folder / DESCRIPTION
    path.write_text(path.read_text()[:-20])


@case("headline-contradicts-the-entries", 4, "model_quant_type")
def _(folder):
    ms(folder, more={"model_quant_type": "W8A16"})


@case("scale-described-as-another-type", 4, (UP + ".weight_scale", "W8A16", "W4A16"))
def _(folder):
    ms(folder)
    change_json(folder, DESCRIPTION, lambda description: description.update({UP + ".weight_scale": "W8A16"}))


@case("offset-of-another-shape", 4, (UP + ".weight_offset", "R-SHAPE"))
def _(folder):
    ms_change(folder, lambda tensors: tensors[UP + ".weight_offset"].__setitem__(1, [128, 1]))


@case("codes-under-another-name", 4, "model.layers.0.extra.codes")
def _(folder):
    ms_change(folder, lambda tensors: tensors.update({"model.layers.0.extra.codes": ["I8", [4, 8], bytearray(32)]}),
              more={"model.layers.0.extra.codes": "W4A16"})


# --- GPTQ and AWQ --------------------------------------------------------------------------------------------------------------


def gptq(folder, v2=False, zeros="sym", sym=True, action=None, **options):
    table = checkpoint.weights(zeros=zeros, **{k: v for k, v in options.items() if k in ("bits", "group", "linears")})
    if options.get("spoil"):
        options["spoil"](table)
    checkpoint.make_gptq(folder, table, v2=v2, sym=sym, desc_act=options.get("desc_act", False))
    if action:
        change(folder, action)


@case("qzeros-of-wrong-dtype", 4, UP + ".qzeros")
def _(folder):
    gptq(folder, action=lambda tensors: tensors[UP + ".qzeros"].__setitem__(0, "F32"))


@case("scales-of-integers", 4, UP + ".scales")
def _(folder):
    gptq(folder, action=lambda tensors: tensors.update({UP + ".scales": ["I32", tensors[UP + ".scales"][1], bytearray(4 * 2 * 64)]}))


@case("qweight-shape-contradicts", 4, UP)
def _(folder):
    gptq(folder, action=lambda tensors: tensors[UP + ".qweight"].__setitem__(1, [64, 8]))


@case("scales-shape-contradicts", 4, UP)
def _(folder):
    gptq(folder, action=lambda tensors: tensors[UP + ".scales"].__setitem__(1, [64, 2]))


@case("qweight-of-rank-1", 4, UP)
def _(folder):
    gptq(folder, action=lambda tensors: tensors[UP + ".qweight"].__setitem__(1, [512]))


@case("qweight-without-scales", 4, UP)
def _(folder):
    gptq(folder, action=lambda tensors: tensors.pop(UP + ".scales"))


@case("g-idx-of-wrong-length", 4, UP + ".g_idx")
def _(folder):
    gptq(folder, action=lambda tensors: tensors.update({UP + ".g_idx": ["I32", [32], bytearray(128)]}))


@case("g-idx-out-of-range", 4, UP)
@case("g-idx-out-of-range-to-v2", 4, UP, to="gptq_v2")
def _(folder):
    gptq(folder, action=lambda tensors: poke(tensors[UP + ".g_idx"], 4, struct.pack("<i", 2)))


@case("g-idx-negative-counts-from-the-end", 0)
def _(folder):
    gptq(folder, action=lambda tensors: poke(tensors[UP + ".g_idx"], 4, struct.pack("<i", -2)))


@case("g-idx-negative-beyond-the-start", 4, (UP, "-3"))
def _(folder):
    gptq(folder, action=lambda tensors: poke(tensors[UP + ".g_idx"], 4, struct.pack("<i", -3)))


@case("quantized-by-another-method", 5, "hqq")
def _(folder):
    gptq(folder)
    change_json(folder, "config.json", lambda document: document["quantization_config"].update({"quant_method": "hqq"}))
    (folder / "quantize_config.json").unlink()


@case("bitsandbytes-without-its-tensors", 4, ("quant_state", "R-CONFLICT"))
def _(folder):
    gptq(folder)
    change_json(folder, "config.json", lambda document: document["quantization_config"].update({"quant_method": "bitsandbytes"}))
    (folder / "quantize_config.json").unlink()


@case("act-order-to-awq", 6, (UP, "R-ACTORDER"))
@case("act-order-to-gptq-v2", 0, to="gptq_v2")
def _(folder):
    def shuffle(table):
        table[UP].group_of = [k % 2 for k in range(64)]
    gptq(folder, spoil=shuffle, desc_act=True)


@case("sym-true-with-asymmetric-zeros", 4, ("R-SYMFLAG", "--from gptq"))
@case("sym-true-with-asymmetric-zeros-forced", 0, options=["--from", "gptq"])
def _(folder):
    gptq(folder, zeros="asym", sym=True)


@case("v2-sym-true-with-asymmetric-zeros", 4, ("R-SYMFLAG",))
@case("v2-sym-true-with-asymmetric-zeros-forced", 0, options=["--from", "gptq_v2"])
def _(folder):
    gptq(folder, v2=True, zeros="asym", sym=True)


@case("v1-label-with-v2-zeros", 4, ("R-SYMFLAG", "--from gptq_v2"))
@case("v1-label-with-v2-zeros-forced", 0, options=["--from", "gptq_v2", "--exact"])
def _(folder):
    gptq(folder, v2=True)
    for file, member in (("config.json", lambda document: document["quantization_config"]), ("quantize_config.json", lambda document: document)):
        change_json(folder, file, lambda document, member=member: member(document).update({"checkpoint_format": "gptq"}))


@case("v2-label-with-v1-zeros", 4, ("R-SYMFLAG", "--from gptq"))
def _(folder):
    gptq(folder)
    for file, member in (("config.json", lambda document: document["quantization_config"]), ("quantize_config.json", lambda document: document)):
        change_json(folder, file, lambda document, member=member: member(document).update({"checkpoint_format": "gptq_v2"}))


# What up_proj's first word of zeros is by each rule: its zeros are these, with a 0 that v1 stores as 15 at place 2.
FIRST_ZEROS = [row[0] for row in checkpoint.weights(zeros="asym")[UP].zeros[:8]]
AMBIGUOUS_ZEROS = {
    "field-mod": FIRST_ZEROS[:2] + [0] + FIRST_ZEROS[3:],
    "word-add": FIRST_ZEROS[:2] + [0, FIRST_ZEROS[3] + 1] + FIRST_ZEROS[4:],  # 1 is carried out of the 15
}


@case("ambiguous-v1-zeros", 4, (UP, "R-AMBIG-V1", "--gptq-zeros"), to="gptq_v2")
@case("ambiguous-v1-zeros-field-mod", 0, to="gptq_v2", options=["--gptq-zeros", "field-mod"])
@case("ambiguous-v1-zeros-word-add", 0, to="gptq_v2", options=["--gptq-zeros", "word-add"])
@case("ambiguous-v1-zeros-no-mask-is-16", 6, "R-RANGE", to="gptq_v2", options=["--gptq-zeros", "no-mask"])
def _(folder):
    def spoil(table):
        table[UP].zeros[2][0] = 0
    gptq(folder, zeros="asym", sym=False, spoil=spoil)


@case("conflict-in-quantize-config-bits", 4, ("quantize_config.json", "bits", "R-CONFLICT"))
def _(folder):
    gptq(folder)
    change_json(folder, "quantize_config.json", lambda document: document.update({"bits": 8}))


for member, value in (("group_size", 64), ("sym", False), ("desc_act", True), ("checkpoint_format", "gptq_v2")):
    def conflict(folder, member=member, value=value):
        gptq(folder)
        change_json(folder, "quantize_config.json", lambda document: document.update({member: value}))
    case("conflict-in-quantize-config-" + member.replace("_", "-"), 4, ("quantize_config.json", member, "R-CONFLICT"))(conflict)


def config_says(**members):
    def make(folder):
        gptq(folder)
        for file, member in (("config.json", lambda document: document["quantization_config"]), ("quantize_config.json", lambda document: document)):
            change_json(folder, file, lambda document, member=member: member(document).update(members))
    return make


case("bits-contradict-the-shapes", 4, "bits")(config_says(bits=8))
case("group-size-contradicts-the-shapes", 4, "R-SHAPE")(config_says(group_size=64))
case("bits-3", 4, ("4-bit shapes", "bits 3"))(config_says(bits=3))
case("bits-a-string", 4, "bits")(config_says(bits="four"))
case("bits-missing", 4, "bits")(config_says(bits=None))
case("marlin", 5, "marlin")(config_says(checkpoint_format="marlin"))
case("pack-dtype-int16", 5, "pack_dtype")(config_says(pack_dtype="int16"))


@case("nan-scale-in-gptq", 4, (UP, "R-NONFINITE"))
def _(folder):
    gptq(folder, action=lambda tensors: poke(tensors[UP + ".scales"], 2, b"\x00\x7e"))


@case("act-scales-in-gptq", 5, "R-ACTSCALE")
def _(folder):
    gptq(folder, action=lambda tensors: tensors.update({UP + ".act.scales": ["F16", [64], bytearray(128)]}))


def awq(folder, action=None, **members):
    checkpoint.make_awq(folder, checkpoint.weights())
    if action:
        change(folder, action)
    change_json(folder, "config.json", lambda document: document["quantization_config"].update(members))


def awq_case(name, code, says="", action=None, to="gptq", **members):
    case(name, code, says, to)(lambda folder: awq(folder, action, **members))


awq_case("sound-awq", 0)
awq_case("awq-gemv", 4, ("gemv", "R-CONFLICT"), version="gemv")
awq_case("awq-marlin", 5, "marlin", version="marlin")
awq_case("awq-bits-3", 4, "bits 3", bits=3)
awq_case("awq-group-size-contradicts", 4, "R-SHAPE", group_size=64)
awq_case("awq-qzeros-missing", 4, UP, lambda tensors: tensors.pop(UP + ".qzeros"))
awq_case("awq-qzeros-contradict", 4, UP + ".qzeros", lambda tensors: tensors[UP + ".qzeros"].__setitem__(1, [8, 2]))
awq_case("awq-nan-scale", 4, (UP, "R-NONFINITE"), lambda tensors: poke(tensors[UP + ".scales"], 0, b"\x00\x7c"))
awq_case("awq-zero-of-0-to-v1", 6, (UP, "R-ZERO-V1"), lambda tensors: poke(tensors[UP + ".qzeros"], 0, bytes(4)))


MAKE = {"gemm": checkpoint.make_awq, "gemv": checkpoint.make_gemv, "gemv_fast": checkpoint.make_gemv_fast,
        "llm-awq": lambda folder, table: checkpoint.make_gemv_fast(folder, table, version="llm-awq")}


def kind_case(kind, name, code, says="", action=None, to=("awq",), zeros="asym", **members):
    """The same in AutoAWQ's other layouts."""
    def build(folder):
        MAKE[kind](folder, checkpoint.weights(zeros=zeros))
        if action:
            change(folder, action)
        change_json(folder, "config.json", lambda document: document["quantization_config"].update(members))
    for target in to:
        case("-".join([kind.replace("_", "-"), name] + ([target] if len(to) > 1 else [])), code, says, target)(build)


def become(part, **fields):
    """Changes dtype or shape of a tensor of up_proj."""
    def action(tensors):
        tensor = tensors[UP + part]
        tensor[0], tensor[1] = fields.get("dtype", tensor[0]), fields.get("shape", tensor[1])
    return action


def half(tensors, part, at, value):
    poke(tensors[UP + part], 2 * at, struct.pack("<e", value))


def both(tensors, scale, scaled):
    half(tensors, ".scales", 5, scale)
    half(tensors, ".qzeros", 5, scaled)


ALL = ("awq", "gptq_v2", "compressed-tensors", "msmodelslim", "hf")
for kind in MAKE:
    kind_case(kind, "sound", 0, to=ALL)
    kind_case(kind, "upper-case", 0, version=kind.upper())
    kind_case(kind, "marlin", 5, ("marlin", "GEMM version"), version="marlin")
    kind_case(kind, "scale-missing", 4, UP, lambda tensors: tensors.pop(UP + ".scales"))
    kind_case(kind, "codes-missing", 4, "no " + UP + ".qweight", lambda tensors: tensors.pop(UP + ".qweight"))
    kind_case(kind, "codes-of-bytes", 4, UP + ".qweight", lambda tensors: tensors.update({UP + ".qweight": ["U8", [32, 64], bytearray(2048)]}))
    kind_case(kind, "nan-scale", 4, (UP, "R-NONFINITE"), lambda tensors: poke(tensors[UP + ".scales"], 0, b"\x00\x7e"), to=("awq", "hf"))
    kind_case(kind, "groups-of-64", 4, "R-SHAPE", group_size=64)
    for other in MAKE:
        if other != kind and (kind, other) != ("llm-awq", "gemv_fast"):
            kind_case(kind, "says-" + other.replace("_", "-"), 4, ("model.layers.0.", other, "R-CONFLICT"), version=other)
kind_case("gemv", "groups-of-16", 5, ("R-GROUP", "groups of 16"), group_size=16)
kind_case("gemv", "no-padding", 4, UP + ".scales", lambda tensors: tensors.update({UP + ".scales": ["F16", [64, 2], bytearray(256)]}))
kind_case("gemv", "zeros-without-padding", 4, UP + ".qzeros", lambda tensors: tensors.update({UP + ".qzeros": ["I32", [64, 1], bytearray(256)]}))
kind_case("gemv", "padding-is-ignored", 0, action=lambda tensors: poke(tensors[UP + ".scales"], 4, struct.pack("<30e", *[float("nan")] * 30)))
kind_case("gemv", "no-version", 4, ("gemv", "no version"), version=None)
kind_case("gemv_fast", "no-version", 0, version=None)
kind_case("gemv_fast", "padding-is-ignored", 0, action=lambda tensors: half(tensors, ".qzeros", 64 * 31, float("nan")), to=ALL)
kind_case("gemv_fast", "odd-row-blocks", 4, (UP, "R-SHAPE"), become(".qweight", shape=[1, 1024]))
kind_case("gemv_fast", "rows-of-32", 4, (UP, "R-SHAPE"), become(".qweight", shape=[32, 32]))
kind_case("gemv_fast", "scales-f32", 4, (UP, "F16 or BF16"), lambda tensors: tensors.update({UP + ".scales": ["F32", [32, 64], bytearray(8192)]}))
kind_case("gemv_fast", "zeros-bf16", 4, (UP, "BF16"), become(".qzeros", dtype="BF16"))
kind_case("llm-awq", "both-zeros", 4, (UP, "R-CONFLICT"), lambda tensors: tensors.update({UP + ".qzeros": tensors[UP + ".scaled_zeros"]}))
kind_case("llm-awq", "backend", 0, backend="llm-awq", version="gemm")
# Scaled zeros of one group: those of no integer, beyond 15, below 0, off by one unit in the last place, and of a scale that is 0.
for name, scale, scaled in (("fraction", 0.5, -1.25), ("16", 0.5, -8.0), ("minus-1", 0.5, 0.5), ("a-unit-off", 0.333, -2.333984375), ("scale-0", 0.0, -1.0)):
    kind_case("gemv_fast", "zero-" + name, 6, (UP, "R-RANGE", "1 of 128 groups"), lambda tensors, s=scale, z=scaled: both(tensors, s, z), to=ALL)
for name, value in (("infinite", float("-inf")), ("nan", float("nan"))):
    kind_case("gemv_fast", "zero-" + name, 4, (UP, "R-NONFINITE"), lambda tensors, z=value: both(tensors, 0.5, z), to=ALL)
THIRD = struct.unpack("<e", struct.pack("<e", 0.333))[0]
for name, scale, scaled in (("rounded", THIRD, -THIRD * 7), ("15", 0.5, -7.5), ("0", 0.5, -0.0), ("plus-0", 0.5, 0.0), ("of-a-dead-group", 0.0, -0.0),
                            ("of-a-negative-scale", -0.5, 1.5), ("of-the-smallest-scale", 2.0**-24, -15 * 2.0**-24)):
    kind_case("gemv_fast", "zero-" + name, 0, action=lambda tensors, s=scale, z=scaled: both(tensors, s, z), to=("awq", "hf"))


case("gptq-rotation", 5, ("rotation", "R-ROT"))(config_says(rotation="hadamard"))
case("gptq-checkpoint-format-a-number", 4, ("checkpoint_format", "a string"))(config_says(checkpoint_format=7))
case("gptq-group-size-minus-5", 4, ("group_size", "-1 or a positive"))(config_says(group_size=-5))
case("gptq-group-size-0", 4, ("group_size", "-1 or a positive"))(config_says(group_size=0))
case("gptq-bits-99", 4, ("bits", "1 to 32"))(config_says(bits=99))
case("gptq-desc-act-a-string", 4, ("desc_act", "true or false"))(config_says(desc_act="yes"))


@case("scales-without-qweight", 4, (UP, "no " + UP + ".qweight"))
def _(folder):
    gptq(folder, action=lambda tensors: tensors.pop(UP + ".qweight"))


@case("scales-of-rank-1", 4, (UP, "two dimensions"))
def _(folder):
    gptq(folder, action=lambda tensors: tensors[UP + ".scales"].__setitem__(1, [128]))


@case("dynamic-2-bits", 4, (UP, "R-SYMFLAG"))
def _(folder):
    gptq(folder, action=lambda tensors: tensors.update({UP + ".qzeros": ["I32", [2, 4], bytearray(32)], UP + ".qweight": ["I32", [4, 64], bytearray(1024)]}))
    for file, member in (("config.json", lambda document: document["quantization_config"]), ("quantize_config.json", lambda document: document)):
        change_json(folder, file, lambda document, member=member: member(document).update({"dynamic": {"+:.*up_proj.*": {"bits": 2}}}))


@case("act-order-refined", 6, (UP, "R-ACTORDER"), to="gptq_v2", options=["--group-size", "16"])
def _(folder):
    gptq(folder, spoil=lambda table: setattr(table[UP], "group_of", [k % 2 for k in range(64)]), desc_act=True)


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


# --- configs that name no method, or another's -----------------------------------------------------------------------------------

def method(folder, make, value):
    make(folder, checkpoint.weights())
    (folder / "quantize_config.json").unlink(missing_ok=True)

    def rename(document):
        quantization = document["quantization_config"]
        for name in ("quant_method", "checkpoint_format", "version"):
            quantization.pop(name, None)
        if value:
            quantization["quant_method"] = value
    change_json(folder, "config.json", rename)


@case("gptq-without-quant-method", 4, ("found a quantization_config without \"quant_method\"", "--from awq or --from gptq or --from gptq_v2"), "compressed-tensors")
@case("gptq-without-quant-method-from", 0, "", "compressed-tensors", ("--from", "gptq"))
def _(folder):
    method(folder, checkpoint.make_gptq, None)


@case("awq-without-quant-method-from", 0, "", "compressed-tensors", ("--from", "awq"))
def _(folder):
    method(folder, checkpoint.make_awq, None)


@case("gptq-labelled-awq", 4, ("as GPTQ has it", "R-CONFLICT", "\"quant_method\": \"gptq\" in config.json"), "compressed-tensors")
def _(folder):
    method(folder, checkpoint.make_gptq, "awq")


@case("awq-labelled-gptq", 4, ("as AWQ has it", "R-CONFLICT", "\"quant_method\": \"awq\" in config.json"), "compressed-tensors")
def _(folder):
    method(folder, checkpoint.make_awq, "gptq")


@case("awq-scales-missing-is-incomplete", 4, ("but no " + UP + ".scales (R-INCOMPLETE)"), "gptq_v2")
def _(folder):
    checkpoint.make_awq(folder, checkpoint.weights())
    change(folder, lambda tensors: tensors.pop(UP + ".scales"))


@case("exclude-of-a-part", 2, ("names " + UP + ".qzeros, a part of the weight " + UP, "drops it whole"), "awq", ("--exclude", r"up_proj\.qzeros"))
@case("asym-of-quantized", 2, ("--asym: found it with a quantized source (gptq)", "--allow-requantize"), "awq", ("--asym",))
@case("asym-to-floats", 2, "found it with --to hf", "hf", ("--asym",))
@case("layout-of-one-layout", 2, "--layout: found it with --to awq, which has one layout", "awq", ("--layout", "packed"))
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
