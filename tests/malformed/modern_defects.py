"""Named defects of compressed-tensors, MLX and msModelSlim's W8A8 (ms_defects.py has its older types)."""
import struct

import checkpoint
import modern
from defects import DOWN, NAN, UP, case, change, change_json, poke

INF16, NAN16 = b"\x00\x7c", b"\x00\x7e"
INF = struct.pack("<f", float("inf"))


def ct(folder, action=None, config=None, asymmetric=False, group=32, **options):
    table = checkpoint.weights(group=group, bits=options.pop("bits", 4), zeros="asym" if asymmetric else "sym")
    spoil = options.pop("spoil", None)
    if spoil:
        spoil(table)
    modern.make_ct(folder, table, asymmetric, group, **options)
    if action:
        change(folder, action)
    if config:
        change_json(folder, "config.json", lambda document: config(document["quantization_config"]))


def ct_case(name, code, says="", to="gptq_v2", options=(), **how):
    case("ct-" + name, code, says, to, options)(lambda folder: ct(folder, **how))


def tensor(suffix, action):
    """An action on one tensor of UP: [dtype, shape, body]."""
    return lambda tensors: action(tensors[UP + suffix])


def drop(suffix):
    return lambda tensors: tensors.pop(UP + suffix)


def becomes(suffix, dtype, shape, body=None):
    size = {"I32": 4, "I64": 8, "F32": 4, "F16": 2, "I8": 1, "U32": 4}[dtype]

    def action(tensors):
        count = 1
        for extent in shape:
            count *= extent
        tensors[UP + suffix] = [dtype, list(shape), bytearray(count * size) if body is None else body]
    return action


def group_says(**members):
    return lambda config: config["config_groups"]["group_0"]["weights"].update(members)


def scheme_says(**members):
    return lambda config: config["config_groups"]["group_0"].update(members)


def says(**members):
    return lambda config: config.update(members)


# --- compressed-tensors: sound ones ---------------------------------------------------------------------------------------------

for bits in range(1, 9):
    ct_case(f"sound-{bits}-bit", 0, to="compressed-tensors", bits=bits)
    ct_case(f"sound-{bits}-bit-asymmetric", 0, to="hf", bits=bits, asymmetric=True)
for bits in (3, 5, 6, 7):
    ct_case(f"sound-{bits}-bit-of-0.12", 0, to="compressed-tensors", bits=bits, asymmetric=True, spare=True)
ct_case("sound-to-mlx", 0, to="mlx")
ct_case("sound-to-awq", 0, to="awq", asymmetric=True)
ct_case("sound-channel-to-msmodelslim", 0, to="msmodelslim", group=-1, bits=8)
ct_case("version-is-not-given", 0, to="gptq", config=lambda config: config.pop("version"))

# --- compressed-tensors: tensors ------------------------------------------------------------------------------------------------

ct_case("no-scale", 4, (UP, "weight_scale", "R-INCOMPLETE"), action=drop(".weight_scale"))
ct_case("no-shape", 4, (UP, "weight_shape", "R-INCOMPLETE"), action=drop(".weight_shape"))
ct_case("no-codes", 4, (UP, "without its codes"), action=drop(".weight_packed"))
ct_case("no-zeros", 4, (UP, "symmetric: false", "R-INCOMPLETE"), asymmetric=True, action=drop(".weight_zero_point"))
ct_case("codes-of-bytes", 4, (UP + ".weight_packed", "I8"), action=becomes(".weight_packed", "I8", [64, 32]))
ct_case("codes-short-of-a-word", 4, (UP + ".weight_packed", "R-SHAPE"), action=becomes(".weight_packed", "I32", [64, 7]))
ct_case("codes-of-rank-3", 4, (UP + ".weight_packed", "R-SHAPE"), action=becomes(".weight_packed", "I32", [1, 64, 8]))
ct_case("shape-of-floats", 4, (UP + ".weight_shape", "two integers"), action=becomes(".weight_shape", "F32", [2]))
ct_case("shape-of-three", 4, (UP + ".weight_shape", "two integers"), action=becomes(".weight_shape", "I64", [3]))
ct_case("shape-of-zeros", 4, (UP + ".weight_shape", "expected positive"), action=becomes(".weight_shape", "I64", [2]))
ct_case("shape-negative", 4, (UP, "expected positive"), action=tensor(".weight_shape", lambda t: poke(t, 0, struct.pack("<q", -64))))
ct_case("shape-huge", 4, (UP,), action=tensor(".weight_shape", lambda t: poke(t, 0, struct.pack("<q", 1 << 59))))
ct_case("shape-turned", 4, (UP, "R-SHAPE"), action=tensor(".weight_shape", lambda t: poke(t, 8, struct.pack("<q", 65))))
ct_case("shape-of-i32", 0, action=becomes(".weight_shape", "I32", [2], bytearray(struct.pack("<2i", 64, 64))))
ct_case("scales-of-integers", 4, (UP + ".weight_scale", "I32"), action=becomes(".weight_scale", "I32", [64, 2]))
ct_case("scales-of-three-groups", 4, (UP + ".weight_scale", "R-SHAPE"), action=becomes(".weight_scale", "F16", [64, 3]))
ct_case("nan-scale", 4, (UP, "R-NONFINITE"), action=tensor(".weight_scale", lambda t: poke(t, 6, NAN16)))
ct_case("infinite-scale", 4, (UP, "R-NONFINITE"), to="hf", action=tensor(".weight_scale", lambda t: poke(t, 6, INF16)))
ct_case("zeros-of-another-shape", 4, (UP + ".weight_zero_point", "R-SHAPE"), asymmetric=True, action=becomes(".weight_zero_point", "I32", [9, 2]))
ct_case("zeros-of-floats", 4, (UP + ".weight_zero_point", "R-SHAPE"), asymmetric=True, action=becomes(".weight_zero_point", "F32", [64, 2]))
ct_case("zeros-of-0", 0, to="gptq_v2", asymmetric=True, action=tensor(".weight_zero_point", lambda t: poke(t, 0, bytes(8))))
ct_case("zeros-of-0-to-v1", 6, (UP, "R-ZERO-V1", "gptq_v2"), to="gptq", asymmetric=True, action=tensor(".weight_zero_point", lambda t: poke(t, 0, bytes(8))))
ct_case("zeros-of-bytes", 0, asymmetric=True, action=becomes(".weight_zero_point", "I8", [64, 2], modern.i8([7, -8] * 64)))
ct_case("zeros-of-unsigned-bytes", 4, (UP + ".weight_zero_point", "-8..7"), asymmetric=True,
        action=becomes(".weight_zero_point", "I8", [64, 2], modern.i8([15, 0] * 64)))
ct_case("zeros-beside-symmetric", 4, (DOWN, "R-SYMFLAG", "--from compressed-tensors"), asymmetric=True, config=group_says(symmetric=True))
ct_case("zeros-beside-symmetric-forced", 0, options=["--from", "compressed-tensors"], asymmetric=True, config=group_says(symmetric=True))
ct_case("part-of-nothing", 4, ("ghost", "without its codes"),
        action=lambda tensors: tensors.update({"model.ghost.weight_scale": ["F16", [8, 1], bytearray(16)]}))


def one_scale(folder, zeros):
    """Strategy tensor: one scale; `zeros` is what stands beside it."""
    ct(folder, lambda tensors: (becomes(".weight_scale", "F16", [1], checkpoint.f16([0.125]))(tensors), zeros(tensors)), asymmetric=True)
    change_json(folder, "config.json", lambda document: document["quantization_config"]["config_groups"].update(
        {"one": {"targets": [UP], "weights": {"num_bits": 4, "symmetric": False, "strategy": "tensor"}, "format": "pack-quantized"}}))


case("ct-one-scale-one-zero", 0, to="awq", options=["--group-size", "32"])(
    lambda folder: one_scale(folder, becomes(".weight_zero_point", "I8", [1], bytearray([3]))))
case("ct-one-scale-zeros-of-channels", 4, (UP + ".weight_zero_point", "R-SHAPE"))(
    lambda folder: one_scale(folder, becomes(".weight_zero_point", "I8", [64, 1], modern.i8(range(-8, 8)) * 4)))
case("ct-one-scale-packed-zeros", 4, (UP + ".weight_zero_point", "R-SHAPE"))(
    lambda folder: one_scale(folder, becomes(".weight_zero_point", "I32", [8, 1], checkpoint.i32(range(8)))))


def g_idx(values):
    return lambda table: setattr(table[UP], "group_of", values)


ct_case("group-map", 0, to="gptq_v2", order=True, spoil=g_idx([k % 2 for k in range(64)]))
ct_case("group-map-to-mlx", 6, (UP, "R-ACTORDER", "gptq_v2"), to="mlx", order=True, spoil=g_idx([k % 2 for k in range(64)]))
ct_case("group-map-not-set", 0, to="awq", order=True, spoil=g_idx([0xffffffff] * 64))
ct_case("group-map-with-one-not-set", 0, to="awq", order=True, spoil=g_idx([k % 2 for k in range(63)] + [0xffffffff]))
ct_case("group-map-is-a-permutation", 4, (UP, "found group"), order=True, spoil=g_idx(list(range(64))[::-1]))
ct_case("group-map-uneven", 4, (UP, "32 columns each"), to="gptq_v2", order=True, spoil=g_idx([int(k > 20) for k in range(64)]))
ct_case("group-map-short", 4, (UP, "weight_g_idx", "R-SHAPE"), order=True, action=becomes(".weight_g_idx", "I32", [63]))
ct_case("group-map-of-i64", 4, (UP, "weight_g_idx", "I64"), order=True, action=becomes(".weight_g_idx", "I64", [64]))


@case("gptq-group-map-uneven-to-ct", 6, (UP, "R-ACTORDER", "unequal", "hf"), to="compressed-tensors")
@case("gptq-group-map-uneven-to-v2", 0, to="gptq_v2")
def _(folder):
    table = checkpoint.weights()
    table[UP].group_of = [int(k > 20) for k in range(64)]
    checkpoint.make_gptq(folder, table, desc_act=True)


# --- compressed-tensors: config ---------------------------------------------------------------------------------------------------

ct_case("ignored-weight", 4, (UP, "R-CONFLICT"), config=says(ignore=[UP]))
ct_case("targets-miss", 4, (UP, "no group whose targets"), config=scheme_says(targets=["re:.*q_proj", DOWN]))
ct_case("targets-a-text", 4, ("targets", "an array"), config=scheme_says(targets="Linear"))
ct_case("targets-of-numbers", 4, ("targets", "strings"), config=scheme_says(targets=[7]))
ct_case("targets-bad-pattern", 4, ("config.json",), config=scheme_says(targets=["re:(", "Linear"]))
ct_case("targets-slow-pattern", (0, 7), "", config=scheme_says(targets=["re:(.*)*(.*)*(.*)*x$", "Linear"]))
ct_case("no-groups", 4, ("config_groups",), config=says(config_groups={}))
ct_case("groups-a-list", 4, ("config_groups",), config=says(config_groups=[]))
ct_case("preset", 5, ("preset",), config=says(config_groups={"W4A16": ["Linear"]}))
ct_case("version-a-word", 4, ("version",), config=says(version="new"))
ct_case("bits-0", 4, ("num_bits",), config=group_says(num_bits=0))
ct_case("bits-16", 5, ("more than 8 bits",), config=group_says(num_bits=16))
ct_case("bits-contradict", 4, ("R-SHAPE",), config=group_says(num_bits=8))
ct_case("type-odd", 4, ("type", "int or float"), config=group_says(type="posit"))
ct_case("symmetric-a-word", 4, ("symmetric",), config=group_says(symmetric="yes"))
ct_case("strategy-odd", 4, ("strategy",), config=group_says(strategy="row"))
ct_case("strategy-block", (4, 5), "", config=group_says(strategy="block", group_size=None, block_structure=[32, 32]))
ct_case("group-size-0", 4, ("group_size",), config=group_says(group_size=0))
ct_case("group-size-for-channel", 4, ("group_size",), config=group_says(strategy="channel"))
ct_case("group-size-missing", 4, ("group_size",), config=group_says(group_size=None))
ct_case("group-size-contradicts", 4, ("R-SHAPE",), config=group_says(group_size=16))
ct_case("float-activations", 5, ("int8",), config=scheme_says(input_activations={"num_bits": 8, "type": "float", "dynamic": True}))
ct_case("4-bit-activations", 5, ("int8",), config=scheme_says(input_activations={"num_bits": 4, "type": "int", "dynamic": True}))
ct_case("output-activations", 5, ("output_activations",), config=scheme_says(output_activations={"num_bits": 8}))
ct_case("transform", 5, ("R-ROT",), config=says(transform_config={"config_groups": {"u": {"type": "hadamard"}}}))
ct_case("sparse", 5, ("sparsity",), config=says(sparsity_config={"format": "sparse-24-bitmask"}))

# --- int-quantized -----------------------------------------------------------------------------------------------------------------


def int8(folder, action=None, config=None, static=True, asymmetric=False):
    modern.make_ct_int8(folder, checkpoint.weights(group=-1, bits=8, zeros="asym" if asymmetric else "sym"), static, asymmetric)
    if action:
        change(folder, action)
    if config:
        change_json(folder, "config.json", lambda document: config(document["quantization_config"]))


def int8_case(name, code, text="", to="msmodelslim", options=(), **how):
    case("int8-" + name, code, text, to, options)(lambda folder: int8(folder, **how))


int8_case("static", 0)
int8_case("dynamic", 0, static=False)
int8_case("static-weights-only", 0, to="mlx", options=["--weights-only", "--group-size", "32"])
int8_case("static-to-gptq", 6, ("R-ACTPARAM", "--weights-only"), to="gptq")
int8_case("dynamic-to-mlx", 6, ("R-ACTPARAM", "--weights-only"), to="mlx", static=False)
int8_case("asymmetric", 0, to="compressed-tensors", asymmetric=True)
int8_case("asymmetric-to-w8a8", 6, ("R-RANGE", "compressed-tensors"), asymmetric=True)
int8_case("static-exact", 6, ("R-SCALE", "--exact"), options=["--exact"])
int8_case("no-input-scale", 4, (UP, "input_scale"), action=drop(".input_scale"))
int8_case("two-input-scales", 4, (UP, "R-SHAPE"), action=becomes(".input_scale", "F16", [2]))
int8_case("input-zero-of-floats", 4, (UP, "R-SHAPE"), action=becomes(".input_zero_point", "F32", [1]))
int8_case("nan-input-scale", 4, (UP, "R-NONFINITE"), action=tensor(".input_scale", lambda t: poke(t, 0, NAN16)))
int8_case("codes-of-rank-1", 4, (UP, "two dimensions"), action=becomes(".weight", "I8", [4096]))
int8_case("codes-of-i32", (4, 5), UP, action=becomes(".weight", "I32", [64, 64]))
int8_case("6-bits", (4, 5), "", config=group_says(num_bits=6))
int8_case("scales-without-codes", 4, (UP, "without its codes"), action=drop(".weight"))

# --- MLX --------------------------------------------------------------------------------------------------------------------------------


def mlx(folder, action=None, config=None, bits=4, zeros="sym"):
    modern.make_mlx(folder, checkpoint.weights(bits=bits, zeros=zeros))
    if action:
        change(folder, action)
    if config:
        change_json(folder, "config.json", lambda document: (config(document["quantization"]), config(document["quantization_config"])))


def mlx_case(name, code, text="", to="compressed-tensors", options=(), **how):
    case("mlx-" + name, code, text, to, options)(lambda folder: mlx(folder, **how))


for bits in (2, 3, 4, 5, 6, 8):
    mlx_case(f"sound-{bits}-bit", 0, bits=bits, zeros="asym")
mlx_case("sound-to-hf", 0, to="hf", zeros="asym")
mlx_case("bias-of-no-integer", 6, (UP, "R-RANGE", "--to mlx or hf"), action=tensor(".biases", lambda t: poke(t, 0, struct.pack("<f", 0.0001))))
mlx_case("bias-of-no-integer-to-hf", 0, to="hf", action=tensor(".biases", lambda t: poke(t, 0, struct.pack("<f", 0.0001))))
mlx_case("zero-of-16", 6, (UP, "R-RANGE", "0..15"), action=lambda tensors: poke(
    tensors[UP + ".biases"], 0, struct.pack("<f", -16 * struct.unpack_from("<f", tensors[UP + ".scales"][2])[0])))
mlx_case("nan-bias", 4, (UP, "R-NONFINITE"), to="mlx", action=tensor(".biases", lambda t: poke(t, 0, NAN)))
mlx_case("infinite-bias", 4, (UP, "R-NONFINITE"), to="hf", action=tensor(".biases", lambda t: poke(t, 0, INF)))
mlx_case("nan-scale", 4, (UP, "R-NONFINITE"), to="mlx", action=tensor(".scales", lambda t: poke(t, 4, NAN)))
mlx_case("no-biases", 4, (UP, "R-INCOMPLETE"), action=drop(".biases"))
mlx_case("no-scales", 4, (UP, "without its scales"), action=drop(".scales"))
mlx_case("no-codes", 4, (UP, "R-INCOMPLETE"), action=drop(".weight"))
mlx_case("codes-of-i32", 4, (UP + ".weight", "I32"), action=becomes(".weight", "I32", [64, 8]))
mlx_case("codes-of-rank-3", 5, (UP + ".weight", "R-SHAPE"), action=becomes(".weight", "U32", [1, 64, 8]))
mlx_case("codes-short", 4, (UP, "R-SHAPE"), action=becomes(".weight", "U32", [64, 7]))
mlx_case("scales-of-integers", 4, (UP + ".scales", "I32"), action=becomes(".scales", "I32", [64, 2]))
mlx_case("biases-of-another-dtype", 4, (UP + ".biases", "F16"), action=becomes(".biases", "F16", [64, 2]))
mlx_case("biases-of-another-shape", 4, (UP + ".biases", "R-SHAPE"), action=becomes(".biases", "F32", [2, 64]))
mlx_case("bits-7", 4, ('"bits"',), config=says(bits=7))
mlx_case("bits-9", 4, ('"bits"',), config=says(bits=9))
mlx_case("bits-contradict", 4, ("R-SHAPE",), config=says(bits=8))
mlx_case("group-size-0", 4, ('"group_size"',), config=says(group_size=0))
mlx_case("group-size-contradicts", 4, ("R-SHAPE",), config=says(group_size=64))
mlx_case("mode-nvfp4", 5, ("expected affine or mxfp4",), config=says(mode="nvfp4"))
mlx_case("mode-a-number", 4, ('"mode"',), config=says(mode=4))
mlx_case("module-bits-contradict", 4, (UP, "R-SHAPE"), config=says(**{UP: {"bits": 8, "group_size": 32}}))
mlx_case("module-said-to-be-float", 4, (UP, "R-CONFLICT"), config=says(**{UP: False}))


@case("mlx-quantization-and-mirror-disagree", 4, ("quantization_config", "R-CONFLICT"), to="hf")
def _(folder):
    mlx(folder)
    change_json(folder, "config.json", lambda document: document["quantization_config"].update(bits=8))


@case("mlx-without-config", 5, ("q_proj.weight", "no quantization_config"), to="hf")
def _(folder):
    mlx(folder)
    checkpoint.write_json(folder / "config.json", checkpoint.CONFIG)


# --- msModelSlim W8A8 ----------------------------------------------------------------------------------------------------------------------


def static(folder, action=None, description=None, **how):
    modern.make_ms_static(folder, checkpoint.weights(group=-1, bits=8), **how)
    if action:
        change(folder, action, modern.MS_FILES[0])
    if description:
        change_json(folder, modern.MS_FILES[1], description)


def static_case(name, code, text="", to="compressed-tensors", options=(), **how):
    case("w8a8-" + name, code, text, to, options)(lambda folder: static(folder, **how))


def undescribed(suffix):
    return lambda description: description.pop(UP + suffix)


static_case("sound", 0)
static_case("sound-f32-products", 0, wide=False)
static_case("sound-to-w8a8", 0, to="msmodelslim", options=["--layout", "unpacked"])
static_case("dtype-rounds-scales", 6, ("deq_scale", "R-SCALE", "leave --dtype out"), to="msmodelslim", options=["--layout", "unpacked", "--dtype", "bf16"])
static_case("dtype-rounds-the-input-scale", 6, ("deq_scale", "R-SCALE"), to="msmodelslim", options=["--layout", "unpacked", "--dtype", "f16"], step=0.1)
static_case("dtype-f32", 0, to="msmodelslim", options=["--layout", "unpacked", "--dtype", "f32"])
static_case("without-scales", 0, scales=False)
static_case("without-scales-exact", 6, ("R-SCALE", "--exact"), options=["--exact"], scales=False)
static_case("to-gptq", 6, ("R-ACTPARAM", "--weights-only"), to="gptq")
static_case("weights-only", 0, to="gptq", options=["--weights-only"])
for suffix in (".input_scale", ".input_offset", ".deq_scale", ".quant_bias"):
    static_case("no" + suffix.replace("_", "-").replace(".", "-"), 4, (UP, suffix, "R-INCOMPLETE"), action=drop(suffix), description=undescribed(suffix))
static_case("scale-without-offset", 4, (UP, "weight_offset"), action=drop(".weight_offset"), description=undescribed(".weight_offset"))
static_case("offset-without-scale", 4, (UP, "R-SHAPE"), action=drop(".weight_scale"), description=undescribed(".weight_scale"))
static_case("two-input-scales", 4, (UP + ".input_scale", "R-SHAPE"), action=becomes(".input_scale", "F32", [2]))
static_case("input-scale-of-integers", 4, (UP + ".input_scale", "I32"), action=becomes(".input_scale", "I32", [1]))
static_case("products-of-f16", 4, (UP + ".deq_scale", "F16"), action=becomes(".deq_scale", "F16", [64]))
static_case("products-short", 4, (UP + ".deq_scale", "R-SHAPE"), action=becomes(".deq_scale", "I64", [63]))
static_case("bias-of-floats", 4, (UP + ".quant_bias", "F32"), action=becomes(".quant_bias", "F32", [64]))
static_case("input-scale-0-and-no-scales", 4, (UP, "R-NONFINITE"), scales=False, action=tensor(".input_scale", lambda t: poke(t, 0, bytes(4))))
static_case("nan-input-scale", 4, (UP, "R-NONFINITE"), action=tensor(".input_scale", lambda t: poke(t, 0, NAN)))
static_case("input-zero-300", 6, (UP, "300", "R-RANGE", "--weights-only"), action=tensor(".input_offset", lambda t: poke(t, 0, struct.pack("<f", 300))))
static_case("input-zero-half", 6, (UP, "0.5", "R-RANGE"), action=tensor(".input_offset", lambda t: poke(t, 0, struct.pack("<f", 0.5))))
static_case("input-zero-nan", 6, (UP, "nan", "R-RANGE"), action=tensor(".input_offset", lambda t: poke(t, 0, NAN)))
static_case("input-scale-becomes-0", 6, ("input_scale", "input scale", "R-SCALE"), options=["--dtype", "f16"], step=1e-30)
static_case("products-of-other-weights", 4, (UP, "1 of 64", "deq_scale", "R-CONFLICT"), action=tensor(".deq_scale", lambda t: poke(t, 8, struct.pack("<f", 1))))
static_case("bias-of-other-codes", 4, (UP, "1 of 64", "quant_bias", "R-CONFLICT"), action=tensor(".weight", lambda t: poke(t, 64 * 57, bytes([127] * 64))))
static_case("bias-of-other-codes-kept", 0, to="msmodelslim", options=["--layout", "unpacked"], action=tensor(".weight", lambda t: poke(t, 64 * 57, bytes([127] * 64))))
static_case("bias-of-another-channel", 4, (UP, "1 of 64", "quant_bias", "R-CONFLICT"), action=tensor(".quant_bias", lambda t: poke(t, 8, struct.pack("<i", 123456))))
static_case("asymmetric", 0, action=tensor(".weight_offset", lambda t: poke(t, 0, struct.pack("<f", 5))))
static_case("asymmetric-to-w8a8", 6, (UP, "R-RANGE"), to="msmodelslim", action=tensor(".weight_offset", lambda t: poke(t, 0, struct.pack("<f", 5))))
static_case("scales-of-another-type", 4, (UP + ".weight_scale", "W8A16", "W8A8"),
            description=lambda description: description.update({UP + ".weight_scale": "W8A16"}))
static_case("offset-f16-cannot-hold", 6, (UP, "R-RANGE"), to="msmodelslim", options=["--dtype", "f16", "--weights-only"],
            description=lambda description: ([description.pop(UP + part) for part in (".input_scale", ".input_offset", ".deq_scale", ".quant_bias")],
                                             description.update({UP + part: "W8A16" for part in (".weight", ".weight_scale", ".weight_offset")})),
            action=lambda tensors: ([tensors.pop(UP + part) for part in (".input_scale", ".input_offset", ".deq_scale", ".quant_bias")],
                                    poke(tensors[UP + ".weight_offset"], 0, struct.pack("<f", -4099))))

# --- GPTQ v1: all ones, and other traps ------------------------------------------------------------------------------------------------------


@case("v1-zeros-of-255", 4, (UP, "R-AMBIG-V1", "--gptq-zeros"), to="compressed-tensors")
@case("v1-zeros-of-255-mean-256", 6, (UP, "R-RANGE"), to="compressed-tensors", options=["--gptq-zeros", "no-mask"])
@case("v1-zeros-of-255-mean-256-to-mlx", 0, to="mlx", options=["--gptq-zeros", "no-mask", "--dtype", "f32", "--from", "gptq"])
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights(bits=8), sym=False)
    change(folder, lambda tensors: poke(tensors[UP + ".qzeros"], 0, b"\xff"))


@case("v1-zeros-of-15-mean-16", 6, (UP, "R-RANGE"), to="compressed-tensors", options=["--gptq-zeros", "no-mask"])
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights(), sym=False)
    change(folder, lambda tensors: poke(tensors[UP + ".qzeros"], 0, b"\x7f"))


@case("side-files-disagree", 4, ("quantize_config.json", "R-CONFLICT"), to="compressed-tensors")
def _(folder):
    checkpoint.make_gptq(folder, checkpoint.weights())
    change_json(folder, "quantize_config.json", lambda document: document.update(group_size=64))


@case("two-descriptions", 4, ("quant_model_description_w8a8.json", "R-CONFLICT"), to="hf")
def _(folder):
    static(folder)
    text = (folder / modern.MS_FILES[1]).read_text().replace("W8A8", "W8A16")
    (folder / "quant_model_description_w8a16.json").write_text(text)

ct_case("formats-differ", 4, ("found format \"int-quantized\" of group_0, but \"pack-quantized\" of all", "R-CONFLICT"), config=scheme_says(format="int-quantized"))
ct_case("formats-mixed", 0, config=says(format="mixed-precision"))
