"""Holds a converted checkpoint against its source, whatever the two formats: every code, zero, scale and value, and what repaq said of it.

Each function returns a list of what is wrong. Rounding (values that changed, by output tensor) is collected in a Tally, against which
the classes and the largest relative error of `--json` are held.
"""
import math
import os
import re

import compare
import compressed
import floats
import msmodelslim
import predict
import st
from weight import DEAD


class Tally:
    """The largest relative error of each output tensor of which a value changed."""

    def __init__(self):
        self.errors = {}

    def add(self, name, before, after):
        if before != after:
            error = abs((after - before) / before) if before else float("inf")
            self.errors[name] = max(self.errors.get(name, 0), float(error))


SCALES_NAME = {"awq": ".scales", "gptq": ".scales", "gptq_v2": ".scales", "mlx": ".scales", "compressed-tensors": ".weight_scale",
               "msmodelslim": ".weight_scale"}


def places(a, b):
    """{(group in a, group in b): columns}"""
    found = {}
    for column in range(a.in_):
        found.setdefault((a.group_at(column), b.group_at(column)), []).append(column)
    return found


def compare_spot(a, b, spot, columns, zero, dtype):
    """One row of one pair of groups: None, or what differs. The scale was compared."""
    row, (mine, other) = spot
    scale, scale_b = a.scales[row][mine], b.scales[row][other]
    before, after = compare.take(a.codes[row], columns), compare.take(b.codes[row], columns)
    if scale == 0 and a.biases is None:
        return "a dead group has the bias %r" % b.biases[row][other] if b.biases is not None and b.biases[row][other] else None
    for shift in {0, b.middle - a.middle}:
        if after != bytes(code + shift & 255 for code in before):
            continue
        if b.biases is None:
            if b.zeros[row][other] == zero + shift:
                return None
        elif a.biases is not None and shift == 0:
            if b.biases[row][other] == floats.round_to(a.biases[row][mine], dtype):
                return None
        elif b.biases[row][other] == -(zero + shift) * scale_b:
            return None
    return "codes %s became %s, zero %r became %r" % (before[:8].hex(), after[:8].hex(), zero, (b.zeros or b.biases)[row][other])


def compare_layer(a, b, target, o, tally):
    if (a.out, a.in_) != (b.out, b.in_):
        return ["%s: [%d][%d] became [%d][%d]" % (a.name, a.out, a.in_, b.out, b.in_)]
    problems, zeros = [], predict.zeros_of(a)
    dtype = predict.scale_dtype(a, target, o.dtype)
    if b.scale_dtype != dtype:
        problems.append("%s: scales are %s, not %s" % (a.name, b.scale_dtype, dtype))
    if b.bits != (o.bits or a.bits):
        problems.append("%s: %d bits became %d" % (a.name, a.bits, b.bits))
    if o.group_size and (b.group or b.in_) != (b.in_ if o.group_size == -1 else min(o.group_size, b.in_)):
        problems.append("%s: --group-size gave %d" % (a.name, b.group or b.in_))
    known = {}
    for spot, columns in places(a, b).items():
        for row in range(a.out):
            scale, got = a.scales[row][spot[0]], b.scales[row][spot[1]]
            if scale not in known:
                known[scale] = floats.round_to(scale, dtype)
            if got != known[scale]:
                problems.append("%s row %d: scale %r became %r" % (a.name, row, scale, got))
                continue
            tally.add(a.name + SCALES_NAME[target], scale, got)
            if a.biases is not None and b.biases is not None and a.bits == b.bits:
                tally.add(a.name + ".biases", a.biases[row][spot[0]], b.biases[row][spot[1]])
            wrong = compare_spot(a, b, (row, spot), columns, zeros[row][spot[0]], dtype)
            if wrong:
                problems.append("%s row %d groups %s: %s" % (a.name, row, spot, wrong))
    return problems + ([] if o.weights_only else compare_activation(a, b))


def compare_activation(a, b):
    if (a.activation is None) != (b.activation is None):
        return [a.name + ": the activation's parameters came or went"]
    if a.activation is None:
        return []
    problems = ["%s: %s of the input %r became %r" % (a.name, part, a.activation[part], b.activation[part])
                for part in ("dynamic", "scale", "zero") if a.activation[part] != b.activation[part]]
    return problems


def compare_float(layer, name, tensor, dtype, shape, tally):
    """A dequantized layer: the F32 value rounded once."""
    if tensor is None:
        return [name + " is missing"]
    if (tensor.dtype, tensor.shape) != (dtype, shape):
        return ["%s is %s %s, not %s %s" % (name, tensor.dtype, tensor.shape, dtype, shape)]
    found, at, wrong, known = floats.decode(tensor.data, dtype), 0, 0, {}
    for row in layer.values():
        for real, single in row:
            if single not in known:
                known[single] = floats.round_to(single, dtype)
            got = found[at]
            wrong += got != known[single] or (got == 0 and real is not DEAD and math.copysign(1, got) != math.copysign(1, single))
            tally.add(name, real, found[at])
            at += 1
    return ["%s: %d of %d values differ" % (name, wrong, at)] if wrong else []


def compare_models(a, b, target, o, tally):
    """Every layer and every float tensor."""
    problems, plain = [], dict(b.floats)
    if target == "hf":
        problems += ["%s is still quantized" % name for name in b.weights]
        for layer in list(a.weights.values()) + list(a.dense.values()):
            dense = hasattr(layer, "kind")
            name, shape = (layer.name, layer.shape) if dense else (layer.name + ".weight", [layer.out, layer.in_])
            problems += compare_float(layer, name, plain.pop(name, None), o.out_dtype, shape, tally)
    else:
        problems += compare.names(a.weights, b.weights, "weight")
        for name in sorted(set(a.weights) & set(b.weights)):
            problems += compare_layer(a.weights[name], b.weights[name], target, o, tally)
    problems += compare.names(a.floats, plain, "tensor")
    for name in sorted(set(a.floats) & set(plain)):
        want = compare.cast(a.floats[name], o.dtype)
        if want != plain[name]:
            problems.append("tensor %s: its dtype, shape or bytes changed" % name)
        elif want.dtype != a.floats[name].dtype:
            for before, after in zip(floats.decode(a.floats[name].data, a.floats[name].dtype), floats.decode(want.data, want.dtype)):
                tally.add(name, before, after)
    return problems


def check_report(report, tensors, tally, bytes_of):
    """--json: names all tensors that were written; their classes; the sums; the largest error. bytes_of: the source's tensors."""
    problems = compare.names({entry["name"] for entry in report["tensors"]}, tensors, "reported tensor")
    counts, derived = {"bytes": 0, "exact": 0, "rounded": 0, "lossy": 0}, False
    for entry in report["tensors"]:
        name, kind = entry["name"], entry["class"]
        counts[kind] += 1
        if kind == "lossy":
            continue
        if name.endswith((".deq_scale", ".quant_bias")):     # made of the others: their formulas are checked, not their class
            derived |= kind == "rounded"
            continue
        if (kind == "rounded") != (name in tally.errors):
            problems.append("%s is called %s, and %s" % (name, kind, "values changed" if name in tally.errors else "no value changed"))
        if kind == "bytes" and name in tensors and name in bytes_of and bytes_of[name] != tensors[name] and entry["step"] in ("copy", "cast", "group_of"):
            problems.append(name + " is called bytes, and other bytes were written")
    if counts != report["classes"]:
        problems.append("classes %s, by tensor %s" % (report["classes"], counts))
    largest = max(tally.errors.values(), default=None)
    said = (report["rounding"] or {}).get("max_relative_error")
    if counts["lossy"] or derived:
        return problems
    if (largest is None) != (said is None):
        problems.append("the largest relative error is %r, and reported as %r" % (largest, said))
    elif largest is not None and said is not None and largest < float("inf") and abs(said - largest) > 1e-6 * largest + 1.2e-7:   # of the real value, or of F32's
        problems.append("the largest relative error is %r, and reported as %r" % (largest, said))
    return problems


def check_description(directory, b):
    """msModelSlim: every tensor has an entry, and every entry a tensor; the file names of the layout."""
    path = msmodelslim.find_description(directory)
    description, problems = st.load_json(path), []
    tensors = set(st.read_directory(directory)[0])
    described = {name for name in description if name not in msmodelslim.RESERVED}
    problems += compare.names(tensors, described, "described tensor")
    kinds = {msmodelslim.kind_of(weight) for weight in b.weights.values()}
    if description.get("model_quant_type") not in kinds:
        problems.append("model_quant_type is %r" % description.get("model_quant_type"))
    packed = os.path.basename(path) == "quant_model_description.json"
    stem = "quant_model_weights" if packed else "quant_model_weight_" + str(description.get("model_quant_type")).lower()
    if packed != (description.get("version") == "1.0.0"):
        problems.append("version %r in %s" % (description.get("version"), os.path.basename(path)))
    if not packed and os.path.basename(path) != "quant_model_description_%s.json" % str(description.get("model_quant_type")).lower():
        problems.append("the description is called " + os.path.basename(path))
    problems += ["a weight file is called " + name for name in os.listdir(directory) if name.endswith(".safetensors") and not name.startswith(stem)]
    if any(value is None for value in description.values()):
        problems.append("a null in the description")
    for name, weight in b.weights.items():
        if weight.activation and not weight.activation["dynamic"]:
            bias = b.floats.get(name + ".bias")
            deq, quant_bias = msmodelslim.derived(weight, floats.decode(bias.data, bias.dtype) if bias else None)
            if weight.activation["deq"] != deq or weight.activation["quant_bias"] != quant_bias:
                problems.append(name + ": deq_scale or quant_bias is not what its formula gives")
    return problems


def check_config(directory, b, target):
    """What engines need of the config, beyond what the plain reader used to read the weights."""
    problems, left = [], b.linears_left_float()
    if target == "msmodelslim":
        return check_description(directory, b) + (["config.json has a quantization_config"] if "quantization_config" in (b.config or {}) else [])
    if target == "hf":
        return ["config.json still has " + key for key in ("quantization_config", "quantization") if key in (b.config or {})]
    if target == "awq":
        return compare.check_awq_config(b, b.config["quantization_config"])
    if target.startswith("gptq"):
        wrong = compare.check_gptq_config(b, b.config["quantization_config"])
        return [text for text in wrong if "lm_head" not in b.weights or "modules_in_block" not in text]     # lm_head is in no block
    if target == "mlx":
        quantization = b.config["quantization"]
        if b.config.get("quantization_config") != quantization:
            problems.append("quantization_config differs from quantization")
        return problems + ["no `false` for " + name for name in left if quantization.get(name) is not False]
    quantization = b.config["quantization_config"]
    problems += ["%s is in no ignore" % name for name in left if not compressed.matches(quantization.get("ignore") or [], name)]
    version = [int(part) for part in re.findall(r"\d+", quantization.get("version", "0"))[:2]]
    if version < ([0, 18] if any(32 % weight.bits for weight in b.weights.values()) else [0, 9]):
        problems.append("version %r" % quantization.get("version"))
    for name, weight in b.weights.items():
        if (compressed.scheme_of(quantization, name)[0].get("actorder") == "group") != (weight.group_of is not None):
            problems.append(name + ": actorder and weight_g_idx disagree")
    if quantization.get("quantization_status") != "compressed":
        problems.append("quantization_status %r" % quantization.get("quantization_status"))
    known = {"targets", "weights", "input_activations", "output_activations", "format"}
    arguments = {"num_bits", "type", "symmetric", "group_size", "strategy", "block_structure", "dynamic", "actorder", "scale_dtype", "zp_dtype",
                 "observer", "observer_kwargs"}
    for group in quantization["config_groups"].values():
        problems += ["a scheme has %s" % key for key in set(group) - known]
        for part in ("weights", "input_activations"):
            problems += ["arguments have %s" % key for key in set(group.get(part) or {}) - arguments]
    return problems
