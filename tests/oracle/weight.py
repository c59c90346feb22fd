"""What a checkpoint means, whatever its dialect: value[n][k] = (codes[n][k] - zeros[n][g]) * scales[n][g], g = group of column k.

Where a format stores a real bias instead of a zero: codes[n][k] * scales[n][g] + biases[n][g]. What lies on no such grid is Dense.
"""
import math

import floats


DEAD = 0                                     # the value of a group without a scale: a zero of either sign


class Weight:
    """One quantized linear layer of out rows and in_ columns.

    codes   one bytes object a row, unsigned, 0 .. 2^bits - 1
    zeros   a list of groups a row, in the domain of the codes; floats where the file has floats (they may be any value, even NaN)
    scales  a list of groups a row; scale_dtype says how the file holds them
    group   columns of a group, 0 for one group a row; the last group may be shorter
    group_of  None where column k is in group k // group, else the group of each column
    file    the file that holds the codes
    biases  None, or in the place of zeros a list of groups a row
    activation  None, or how the layer's input is quantized: {"dynamic": bool, "scale": ..., "zero": ...}
    """
    __slots__ = ("name", "out", "in_", "bits", "group", "codes", "zeros", "scales", "scale_dtype", "group_of", "file", "biases",
                 "activation")

    def __init__(self, name, bits, codes, zeros, scales, scale_dtype, group_of=None, file=None, group=None, biases=None,
                 activation=None):
        self.name, self.bits, self.codes, self.zeros, self.scales = name, bits, codes, zeros, scales
        self.scale_dtype, self.group_of, self.file = scale_dtype, group_of, file
        self.biases, self.activation = biases, activation
        self.out, self.in_ = len(codes), len(codes[0])
        if group is not None:
            self.group = group if self.groups > 1 else 0
            return
        self.group = self.in_ // self.groups if self.groups > 1 and group_of is None else 0
        if group_of is not None:
            self.group = -(-self.in_ // self.groups)

    @property
    def groups(self):
        return len(self.scales[0])

    @property
    def middle(self):
        return 1 << (self.bits - 1)

    def columns(self, group):
        """The columns of a group, as something that indexes bytes: a slice, or a list for an activation order."""
        if self.group_of is None:
            width = self.group or self.in_
            return slice(group * width, (group + 1) * width)
        return [column for column, of in enumerate(self.group_of) if of == group]

    def group_at(self, column):
        if self.group_of is not None:
            return self.group_of[column]
        return column // self.group if self.group else 0

    def zero_is_whole(self, row, group):
        zero = self.zeros[row][group]
        return math.isfinite(zero) and zero == int(zero)

    def live(self):
        """(row, group) of every group whose scale is not 0; the others stand for zeros whatever they hold."""
        for row in range(self.out):
            for group, scale in enumerate(self.scales[row]):
                if scale != 0:
                    yield row, group

    def symmetric(self):
        return all(self.zeros[row][group] == self.middle for row, group in self.live())

    def pair(self, code, row, group):
        """(the value as a fraction, the value that F32 arithmetic gives) of a code; 0 in a dead group."""
        scale = self.scales[row][group]
        if self.biases is not None:
            value = floats.single(floats.single(scale * code) + self.biases[row][group])
            return value, value                          # what F32 gives is what such a layer means
        if scale == 0:
            return DEAD, 0.0
        value = (code - self.zeros[row][group]) * scale      # at most 24 + 9 significant bits: exact in a double
        return value, floats.single(value)

    def values(self):
        """A list of pairs for each row."""
        of = [self.group_at(column) for column in range(self.in_)]
        for row in range(self.out):
            known = {}
            line = []
            for column, code in enumerate(self.codes[row]):
                key = (code, of[column])
                if key not in known:
                    known[key] = self.pair(code, row, of[column])
                line.append(known[key])
            yield line


class Dense:
    """A layer of a codebook or of small floats: rows of (value as a double, F32 value) pairs. `kind` says which.

    shape is that of the float tensor, and name its name."""

    def __init__(self, name, kind, shape, rows, file=None):
        self.name, self.kind, self.shape, self.rows, self.file = name, kind, shape, rows, file

    def values(self):
        return iter(self.rows)


class Checkpoint:
    """weights: {module: Weight}; floats: {name: Tensor} that travel as they are; dropped: names that need not travel.

    dense: {module: Dense}, whose only way on is a float tensor."""

    def __init__(self, dialect, directory):
        self.dialect, self.directory = dialect, directory
        self.weights, self.floats, self.dropped, self.file_of, self.config = {}, {}, [], {}, None
        self.dense = {}
        self.desc_act = False

    def linears_left_float(self):
        """Modules with a 2-D float weight that is not an embedding."""
        modules = []
        for name, tensor in self.floats.items():
            if name.endswith(".weight") and len(tensor.shape) == 2 and "embed" not in name:
                modules.append(name[:-len(".weight")])
        return sorted(modules)


def transpose(rows, out):
    """codes[n] for n < out, from one bytes object for each column k"""
    matrix = b"".join(rows)
    return [matrix[n::out] for n in range(out)]
