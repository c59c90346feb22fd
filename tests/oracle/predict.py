"""What repaq must answer for a conversion, from the source's data alone (exact-paths: the exactness matrix and the table of refusals).

`conversion` lists every problem, as a program stops at the first that it meets: [] means that it must succeed. A problem that is not sure
is one that the contract leaves open; then success is right as well, if what is written is right.
"""
import collections
import fractions
import math

import floats
import mlx_affine

Problem = collections.namedtuple("Problem", "rid code why sure")
BITS = {"awq": {4}, "gptq": {2, 3, 4, 8}, "gptq_v2": {2, 3, 4, 8}, "compressed-tensors": set(range(1, 9)), "msmodelslim": {4, 8},
        "mlx": set(mlx_affine.BITS)}
MLX_GROUPS = (128, 64, 32)


def problem(rid, why, code=6, sure=True):
    return Problem(rid, code, why, sure)


def scale_dtype(weight, target, dtype):
    """The dtype of a weight's scales in the target."""
    if target == "awq":
        return "F16"
    if target.startswith("gptq"):
        return "BF16" if dtype == "BF16" else "F16"
    return dtype or weight.scale_dtype


def zeros_of(weight):
    """The zeros, where there are only biases: -bias / scale if that is an integer, else None; in a dead group the middle."""
    if weight.biases is None:
        return weight.zeros
    rows = []
    for scales, biases in zip(weight.scales, weight.biases):
        row = []
        for scale, bias in zip(scales, biases):
            zero = -fractions.Fraction(bias) / fractions.Fraction(scale) if scale else weight.middle if bias == 0 else fractions.Fraction(1, 2)
            row.append(int(zero) if zero == int(zero) else None)
        rows.append(row)
    return rows


def common_group(weights, target):
    """The group size that AWQ and MLX give to all weights; 0: one group a row; None: there is none."""
    if target == "awq" and all(weight.groups == 1 for weight in weights):
        return 0
    common = 0
    for weight in weights:
        common = math.gcd(common, weight.group or weight.in_)
        if weight.group and weight.in_ % weight.group:
            common = math.gcd(common, weight.in_)
    if target == "awq":
        return common
    return next((size for size in MLX_GROUPS if common % size == 0), None)


def group_problems(weight, target, asked, common):
    own, name = weight.group or weight.in_, weight.name
    short = bool(weight.group and weight.in_ % weight.group)
    if weight.group_of is not None:
        members = [weight.group_of.count(group) for group in range(weight.groups)]
        if target in ("awq", "msmodelslim", "mlx"):
            return [problem("R-ACTORDER", name)]
        if target == "compressed-tensors" and set(members) != {weight.group}:
            return [problem(rid, name + ": groups of unequal size", sure=False) for rid in ("R-ACTORDER", "R-GROUP")[:2 if asked else 1]]
        return [problem(rid, name + " and --group-size", sure=asked not in (own, -1)) for rid in ("R-ACTORDER", "R-GROUP")] if asked else []
    if asked:
        wanted = weight.in_ if asked == -1 or asked > weight.in_ else asked
        legal = target != "mlx" or wanted in MLX_GROUPS
        if not legal or own % wanted or (short and wanted != own):
            return [problem("R-GROUP", "%s: groups of %d into %d" % (name, own, asked), sure=not short)]
        return [problem("R-SHAPE", name, sure=False)] if weight.in_ % wanted else []
    if target == "mlx" and common is None:
        return [problem("R-GROUP", name)]
    if short and target in ("awq", "msmodelslim", "mlx"):
        return [problem("R-SHAPE", name + ": the last group is short", sure=False)]
    return []


def shape_problems(weight, target, bits, layout):
    rows, columns = weight.out, weight.in_
    bad = False
    if target == "awq":
        bad = rows % 8
    elif target.startswith("gptq"):
        bad = columns * bits % 32 or rows * bits % 32
    elif target == "mlx":
        bad = columns * bits % 32
    elif target == "msmodelslim" and bits == 4 and layout != "unpacked":
        bad = columns % 2 if weight.groups == 1 else rows % 2
    return [problem("R-SHAPE", "%s: [%d][%d]" % (weight.name, rows, columns))] if bad else []


def bias_problems(weight, dtype, exact):
    """Biases that stay biases are rounded as scales are."""
    found = []
    for bias in (value for row in weight.biases for value in row if value):
        rounded = floats.round_to(bias, dtype)
        if rounded == 0 or math.isinf(rounded) or (exact and rounded != bias):
            found += [problem("R-SCALE", weight.name), problem("R-BIAS", weight.name)]
    return found


def zero_problems(weight, target, bits, dtype):
    """Zeros of live groups that the target does not hold. A wider container may shift codes and zeros to its own middle."""
    zeros, top, shift = zeros_of(weight), (1 << bits) - 1, (1 << bits >> 1) - weight.middle
    found = []
    for row in range(weight.out):
        for group, scale in enumerate(weight.scales[row]):
            zero, spot = zeros[row][group], "%s row %d group %d" % (weight.name, row, group)
            if scale == 0 and weight.biases is None:
                continue
            if zero is None or not math.isfinite(zero) or zero != int(zero):
                found.append(problem("R-RANGE", spot + ": no integer"))
            elif target == "mlx":
                rounded = floats.round_to(scale, dtype)
                if all(floats.round_to(-(zero + by) * rounded, dtype) != -(zero + by) * rounded for by in (0, shift)):
                    found.append(problem("R-BIAS", spot))
            elif target == "msmodelslim":
                if floats.round_to(zero - weight.middle, dtype) != zero - weight.middle:
                    found.append(problem("R-RANGE", spot))
                elif not 0 <= zero <= top:
                    found.append(problem("R-RANGE", spot, sure=False))
            elif target == "gptq":
                if zero + shift <= 0 or zero + shift > top + 1:
                    found.append(problem("R-ZERO-V1" if zero + shift == 0 else "R-RANGE", spot))
                elif zero + shift == top + 1:
                    found.append(problem("R-RANGE", spot, sure=False))
                if shift and zero <= 0 < zero + shift:
                    found.append(problem("R-RANGE", spot, sure=False))
            elif not 0 <= zero + shift <= top:
                found.append(problem("R-RANGE", spot))
    return found


def scale_problems(weight, dtype, exact):
    found = []
    for row in weight.scales:
        for scale in row:
            if not math.isfinite(scale):
                found.append(problem("R-NONFINITE", weight.name, 4))
            elif scale != 0:
                rounded = floats.round_to(scale, dtype)
                if rounded == 0 or math.isinf(rounded) or (exact and rounded != scale):
                    found.append(problem("R-SCALE", "%s: %r" % (weight.name, scale)))
    return found


def float_problems(layer, dtype, exact):
    """A layer that becomes a float tensor."""
    found = []
    for row in layer.values():
        for real, single in row:
            stored = floats.round_to(single, dtype)
            if math.isnan(single) or math.isinf(stored):
                found.append(problem("R-SCALE", layer.name + " overflows"))
            elif stored == 0 and real != 0:
                found.append(problem("R-SCALE", layer.name + " becomes zero", sure=exact))
            elif exact and stored != real:
                found.append(problem("R-SCALE", layer.name + " is rounded"))
            if len(found) > 3:
                return found
    return found


def dense_problems(layer, target):
    if layer.kind == "mxfp4":
        return [problem("", layer.name, 5), problem("", layer.name, 6)]
    return [problem("R-FP8", layer.name, 6), problem("R-FP8", layer.name, 5)] if layer.kind == "fp8" else [problem("R-CODEBOOK", layer.name, 5)]


def cast_problems(source, dtype, exact):
    found = []
    for name, tensor in source.floats.items() if dtype else ():
        for value in floats.decode(tensor.data, tensor.dtype):
            rounded = floats.round_to(value, dtype)
            if rounded != value and (exact or rounded == 0 or math.isinf(rounded)):
                found.append(problem("R-SCALE", name))
    return found


def conversion(source, target, o):
    """o: the options of convert: dtype, bits, group_size, exact, weights_only, layout, out_dtype (of dequantized weights)"""
    weights = list(source.weights.values())
    found = cast_problems(source, o.dtype, o.exact)
    for layer in source.dense.values():
        found += float_problems(layer, o.out_dtype, o.exact) if target == "hf" else dense_problems(layer, target)
    common = common_group(weights, target) if target in ("awq", "mlx") and weights and not o.group_size else None
    for weight in weights:
        if weight.activation and target not in ("compressed-tensors", "msmodelslim") and not o.weights_only:
            found.append(problem("R-ACTPARAM", weight.name, sure=target != "hf"))
        if target == "hf":
            found += float_problems(weight, o.out_dtype, o.exact)
            continue
        bits, dtype = o.bits or weight.bits, scale_dtype(weight, target, o.dtype)
        if bits < weight.bits or bits not in BITS[target]:
            found.append(problem("R-BITS", "%s: %d bits" % (weight.name, bits)))
        if "embed" in weight.name and target != "mlx":
            found.append(problem("", weight.name + ": an embedding", sure=False))
        found += group_problems(weight, target, o.group_size, common) + shape_problems(weight, target, bits, o.layout)
        found += scale_problems(weight, dtype, o.exact)
        found += bias_problems(weight, dtype, o.exact) if target == "mlx" and weight.biases else zero_problems(weight, target, bits, dtype)
    if target == "awq" and len({weight.bits for weight in weights}) > 1 and not o.bits:
        found.append(problem("R-MIXED", "several widths"))
    if target == "msmodelslim" and len({weight.group for weight in weights}) > 1:
        found.append(problem("R-GROUP", "several group sizes", sure=False))
    return found
