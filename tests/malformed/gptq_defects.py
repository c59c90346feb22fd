"""Named defects of GPTQ and AWQ, and of configs that name no method, or another's."""
import struct

import checkpoint
from defects import UP, case, change, change_json, poke


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
