"""Half, bfloat16 and single floats, written out by hand: decoding, and rounding to nearest, ties to even.

Python's own float is a double, so every F16, BF16 and F32 value is held exactly, and dividing by a power of two is exact.
"""
import math
import struct

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E8M0": 1}
# dtype -> (bits of the significand with the hidden one, smallest normal exponent, largest exponent, bits of the stored fraction)
SHAPE = {"F32": (24, -126, 127, 23), "F16": (11, -14, 15, 10), "BF16": (8, -126, 127, 7)}


def decode_bits(bits, dtype):
    """The value of one stored number, from its sign, exponent and fraction fields."""
    _, low, high, stored = SHAPE[dtype]
    width = 8 * BYTES[dtype]
    sign = -1.0 if bits >> (width - 1) else 1.0
    exponent = (bits >> stored) & ((1 << (width - 1 - stored)) - 1)
    fraction = bits & ((1 << stored) - 1)
    if exponent == high - low + 2:
        return math.nan if fraction else sign * math.inf
    if exponent == 0:
        return sign * math.ldexp(fraction, low - stored)
    return sign * math.ldexp(fraction + (1 << stored), exponent - 1 + low - stored)


def round_to(value, dtype):
    """The number of dtype that is nearest to value; of two equally near the even one; infinity beyond the largest."""
    if value == 0 or math.isnan(value) or math.isinf(value):
        return value
    precision, low, high, _ = SHAPE[dtype]
    _, exponent = math.frexp(value)                      # |value| in [2^(exponent-1), 2^exponent)
    quantum = max(exponent - 1, low) - (precision - 1)   # what one unit in the last place is worth: 2^quantum
    units = round(math.ldexp(abs(value), -quantum))      # Python rounds halves to even
    result = math.ldexp(units, quantum)
    if result >= math.ldexp(1, high + 1):
        result = math.inf
    return math.copysign(result, value)


def single(value):
    """The F32 that is nearest to a double; infinity beyond the largest."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def encode_bits(value, dtype):
    """The stored form of a value that dtype holds exactly."""
    precision, low, high, stored = SHAPE[dtype]
    width = 8 * BYTES[dtype]
    sign = (1 << (width - 1)) if math.copysign(1, value) < 0 else 0
    top = high - low + 2
    if math.isnan(value):
        return (top << stored) | (1 << (stored - 1))
    if math.isinf(value):
        return sign | (top << stored)
    if value == 0:
        return sign
    _, exponent = math.frexp(value)
    exponent = max(exponent - 1, low)
    units = math.ldexp(abs(value), stored - exponent)
    if units != int(units):
        raise ValueError("%r is no %s" % (value, dtype))
    units = int(units)
    if units < 1 << stored:
        return sign | units                              # subnormal
    return sign | ((exponent - low + 1) << stored) | (units - (1 << stored))


def e4m3(bits):
    """1-4-3, bias 7, no infinity; all ones is NaN."""
    sign = -1.0 if bits & 128 else 1.0
    exponent, fraction = bits >> 3 & 15, bits & 7
    if exponent == 15 and fraction == 7:
        return math.nan
    if exponent == 0:
        return sign * math.ldexp(fraction, -9)
    return sign * math.ldexp(8 + fraction, exponent - 10)


def e8m0(bits):
    return math.nan if bits == 255 else math.ldexp(1.0, bits - 127)


BYTE_FLOATS = {"F8_E4M3": e4m3, "F8_E8M0": e8m0}


def decode(data, dtype):
    """All values of a tensor's bytes."""
    count = len(data) // BYTES[dtype]
    if dtype == "F32":
        return list(struct.unpack("<%df" % count, data))
    if dtype == "F64":
        return list(struct.unpack("<%dd" % count, data))
    table = {}
    values = []
    if dtype in BYTE_FLOATS:
        return [BYTE_FLOATS[dtype](bits) for bits in data]
    for bits in struct.unpack("<%dH" % count, data):
        if bits not in table:
            table[bits] = decode_bits(bits, dtype)
        values.append(table[bits])
    return values


def encode(values, dtype):
    """The bytes of values, each rounded to dtype."""
    code = {2: "H", 4: "I"}[BYTES[dtype]]
    return struct.pack("<%d%s" % (len(values), code), *[encode_bits(round_to(v, dtype), dtype) for v in values])


def check():
    """Holds this file against Python's own half and single conversion; returns the number of comparisons."""
    for bits in range(1 << 16):
        (value,) = struct.unpack("<e", struct.pack("<H", bits))
        mine = decode_bits(bits, "F16")
        assert mine == value or (mine != mine and value != value), bits
        if mine == mine:
            assert encode_bits(mine, "F16") == bits, bits
        (value,) = struct.unpack("<f", struct.pack("<I", bits << 16))
        mine = decode_bits(bits, "BF16")
        assert mine == value or (mine != mine and value != value), bits
        if mine == mine:
            assert encode_bits(mine, "BF16") == bits, bits
    state, count = 1, 0
    for _ in range(20000):
        state = (state * 1103515245 + 12345) & 0xFFFFFFFF
        (value,) = struct.unpack("<f", struct.pack("<I", state ^ (state >> 7)))
        if value != value or abs(value) > 65519:
            continue
        (half,) = struct.unpack("<e", struct.pack("<e", value))
        assert round_to(value, "F16") == half, value
        assert encode_bits(value, "F32") == struct.unpack("<I", struct.pack("<f", value))[0]
        count += 1
    assert [e4m3(code) for code in (0, 1, 0x7E, 0x08, 0xB8)] == [0, 2.0 ** -9, 448, 2.0 ** -6, -1] and math.isnan(e4m3(0xFF))
    assert e8m0(127) == 1 and e8m0(0) == 2.0 ** -127 and math.isnan(e8m0(255))
    assert round_to(65520.0, "F16") == math.inf and round_to(65519.99, "F16") == 65504.0
    assert round_to(2.0 ** -25, "F16") == 0 and round_to(1.5 * 2.0 ** -25, "F16") == 2.0 ** -24
    assert round_to(1 + 2.0 ** -8, "BF16") == 1 and round_to(1 + 3 * 2.0 ** -8, "BF16") == 1 + 2.0 ** -6
    return 2 * 65536 + count + 8
