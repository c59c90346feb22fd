"""Which exit code the command line promises for a conversion, from the source's data alone (exact-paths: the table of refusals)."""
import math

import floats
from st import Refusal


READ_BITS = {"msmodelslim": {4, 8}, "awq": {4}, "gptq": {4, 8}, "gptq_v2": {4, 8}}    # what repaq reads of each dialect: run.py asks it


def source(checkpoint):
    """Raises where repaq does not read what the plain reader reads."""
    for weight in checkpoint.weights.values():
        if weight.bits not in READ_BITS[checkpoint.dialect]:
            raise Refusal(5, "%s: %d bits" % (weight.name, weight.bits))


def conversion(source, target, dtype=None, exact=False, bits=None):
    """Raises the Refusal that repaq must answer with; returns where the conversion must succeed."""
    for weight in source.weights.values():
        if weight.activation:
            raise Refusal(6, weight.name + ": activation parameters", 5)
        shape_and_bits(weight, target, bits or weight.bits)
        live_zeros(weight, target, bits)
        scales(weight, "BF16" if dtype == "BF16" and target != "awq" else "F16", exact)
    if exact and dtype:
        for name, tensor in source.floats.items():
            for value in floats.decode(tensor.data, tensor.dtype):
                if floats.round_to(value, dtype) != value:
                    raise Refusal(6, name + " is rounded")
    if target == "awq" and len({weight.bits for weight in source.weights.values()}) > 1:
        raise Refusal(6, "several widths")


def shape_and_bits(weight, target, bits):
    if bits < weight.bits:
        raise Refusal(6, weight.name + ": fewer bits")
    if target == "awq":
        if bits != 4:
            raise Refusal(6, "%s: %d bits into AWQ" % (weight.name, bits))
        if weight.out % 8:
            raise Refusal(6, "%s: %d rows" % (weight.name, weight.out))
        if weight.group_of is not None:
            raise Refusal(6, weight.name + ": activation order")
    elif weight.in_ * bits % 32 or weight.out * bits % 32:
        raise Refusal(6, "%s: [%d][%d]" % (weight.name, weight.out, weight.in_))


def live_zeros(weight, target, bits):
    top = (1 << max(weight.bits, bits or 0)) - 1
    for row, group in weight.live():
        zero = weight.zeros[row][group]
        if math.isinf(zero):
            raise Refusal(6, "%s: zero %r" % (weight.name, zero), 4)
        if not weight.zero_is_whole(row, group) or not 0 <= zero <= top:
            raise Refusal(6, "%s: zero %r" % (weight.name, zero))
        if target == "gptq" and zero == 0:
            raise Refusal(6, "%s: zero 0 into GPTQ v1" % weight.name)


def scales(weight, dtype, exact):
    for row, group in weight.live():
        scale = weight.scales[row][group]
        rounded = floats.round_to(scale, dtype)
        if math.isinf(rounded) or rounded == 0:
            raise Refusal(6, "%s: scale %r" % (weight.name, scale))
        if exact and rounded != scale:
            raise Refusal(6, "%s: scale %r is rounded" % (weight.name, scale))
