"""What a checkpoint means, whatever its dialect: value[n][k] = (codes[n][k] - zeros[n][g]) * scales[n][g], g = group of column k."""
import math


class Weight:
    """One quantized linear layer of out rows and in_ columns.

    codes   one bytes object a row, unsigned, 0 .. 2^bits - 1
    zeros   a list of groups a row, in the domain of the codes; floats where the file has floats (they may be any value, even NaN)
    scales  a list of groups a row; scale_dtype says how the file holds them
    group   columns of a group, 0 for one group a row
    group_of  None where column k is in group k // group, else the group of each column
    file    the file that holds the codes
    """
    __slots__ = ("name", "out", "in_", "bits", "group", "codes", "zeros", "scales", "scale_dtype", "group_of", "file")

    def __init__(self, name, bits, codes, zeros, scales, scale_dtype, group_of=None, file=None):
        self.name, self.bits, self.codes, self.zeros, self.scales = name, bits, codes, zeros, scales
        self.scale_dtype, self.group_of, self.file = scale_dtype, group_of, file
        self.out, self.in_ = len(codes), len(codes[0])
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
            width = self.in_ // self.groups
            return slice(group * width, (group + 1) * width)
        return [column for column, of in enumerate(self.group_of) if of == group]

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


class Checkpoint:
    """weights: {module: Weight}; floats: {name: Tensor} that travel as they are; dropped: names that need not travel."""

    def __init__(self, dialect, directory):
        self.dialect, self.directory = dialect, directory
        self.weights, self.floats, self.dropped, self.file_of, self.config = {}, {}, [], {}, None
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
