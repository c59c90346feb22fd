"""Named defects of msModelSlim's W4A16 and W8A16."""
import struct

import checkpoint
from checkpoint import DESCRIPTION, MS_WEIGHTS
from defects import DOWN, NAN, UP, case, change, change_json, ms, ms_change, poke


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
