"""Which conversions the matrix of exact paths allows, as a table: each row refuses some sources of some targets, with its exit code.

A fact is computed with upstream code from the data of the source, never from its labels.
"""
import torch

INTEGER_TARGETS = ("awq", "gptq", "gptq_v2", "compressed-tensors", "msmodelslim", "mlx")
WIDTHS = {"awq": (4,), "gptq": (2, 3, 4, 8), "gptq_v2": (2, 3, 4, 8), "compressed-tensors": tuple(range(1, 9)), "msmodelslim": (4, 8),
          "mlx": (2, 3, 4, 5, 6, 8)}
DTYPES = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}


class Facts:
    """What the rules ask about one weight."""

    def __init__(self, reading, name):
        self.format, self.bits, self.act_order = reading.format, reading.bits[name], reading.act_order(name)
        self.out, self.columns = reading.shape(name)[-2:]
        self.module = name
        self.scales = self.zeros = None
        if reading.is_integer(name):
            self.scales, self.zeros = reading.scales(name).double(), reading.zeros(name)
            self.stored = reading.scales(name).dtype
            self.groups = self.scales.shape[1] if self.scales.ndim > 1 else 1

    def live(self):
        return self.zeros[self.scales != 0]

    def whole(self):
        live = self.live()
        return bool((live.isfinite() & (live == live.round())).all())

    def outside(self):
        live = self.live()
        return bool(((live < 0) | (live > (1 << self.bits) - 1)).any())

    def rounded(self, dtype):
        """The scales in dtype, and whether one of them overflows or becomes zero there."""
        found = self.scales.to(dtype)
        return found, bool((~found.isfinite()).any() or ((found == 0) & (self.scales != 0)).any())

    def beta_rounds(self, dtype):
        """-z * s of a live group is no value of dtype."""
        scales, _ = self.rounded(dtype)
        live = scales != 0
        beta = -(self.zeros * scales.double())[live]
        return bool((beta.to(dtype).double() != beta).any())


def scale_dtype(target, facts, options):
    """The dtype that the target's scales must have."""
    asked = DTYPES.get(options.get("--dtype"))
    if target == "awq":
        return torch.float16
    if target.startswith("gptq"):
        return torch.bfloat16 if asked == torch.bfloat16 else torch.float16
    return asked or facts.stored


def moves(facts, target):
    """Small floats that stay what they are: FP8, and MXFP4, of which MLX alone has stacks of experts."""
    if facts.zeros is not None:
        return False
    if facts.bits == 8:
        return target == "compressed-tensors" and facts.format in ("fp8", "compressed-tensors")
    return target in {"compressed-tensors": ("compressed-tensors", "mlx"), "mlx": ("compressed-tensors", "mlx"), "mxfp4": ("mlx",)}.get(facts.format, ())


# (id, exit, targets, test(facts, target, options)); the first row that fits is what repaq must say. A row whose exit is a tuple allows any of them.
RULES = (
    ("R-CODEBOOK", (5,), INTEGER_TARGETS, lambda f, t, o: f.zeros is None and f.bits == 4 and f.format == "bitsandbytes"),
    ("R-FP8", (5, 6), INTEGER_TARGETS, lambda f, t, o: f.zeros is None and f.format in ("fp8", "mxfp4", "compressed-tensors", "mlx") and not moves(f, t)),
    ("small floats", 0, ("compressed-tensors", "mlx"), lambda f, t, o: moves(f, t)),
    ("R-ACTORDER", 6, ("awq", "msmodelslim", "mlx"), lambda f, t, o: f.act_order),
    ("R-BITS", 6, INTEGER_TARGETS, lambda f, t, o: f.bits not in WIDTHS[t] and not (t == "msmodelslim" and f.format == "msmodelslim")),
    ("R-RANGE", 6, ("awq", "gptq", "gptq_v2", "compressed-tensors"), lambda f, t, o: not f.whole() or f.outside()),
    ("R-RANGE", 6, ("msmodelslim",), lambda f, t, o: not f.whole()),
    ("R-ZERO-V1", 6, ("gptq",), lambda f, t, o: bool((f.live() == 0).any())),
    ("R-SHAPE", 6, ("awq",), lambda f, t, o: f.out % 8),
    ("R-SHAPE", 6, ("gptq", "gptq_v2"), lambda f, t, o: f.columns * f.bits % 32 or f.out * f.bits % 32),
    ("R-SHAPE", 6, ("msmodelslim",), lambda f, t, o: f.bits == 4 and (f.out % 2 if f.groups > 1 else f.columns % 2)),
    ("R-GROUP", 6, ("mlx",), lambda f, t, o: f.columns // f.groups % 32),
    ("R-SCALE", 6, INTEGER_TARGETS, lambda f, t, o: f.rounded(scale_dtype(t, f, o))[1]),
    ("R-BIAS", 6, ("mlx",), lambda f, t, o: f.format != "mlx" and f.beta_rounds(scale_dtype(t, f, o))),
)


def narrow(reading, options):
    """A float, carried or dequantized, becomes zero or infinite in the dtype that was asked for."""
    dtype = DTYPES.get(options.get("--dtype"))
    if dtype is None:
        return False
    floats = [tensor.float() for tensor in reading.carried.values() if tensor.is_floating_point()]
    floats += [reading.float(name, torch.float32) for name in reading.weights]
    return any(bool(((tensor.to(dtype) == 0) & (tensor != 0)).any() or (~tensor.to(dtype).isfinite()).any()) for tensor in floats)


def expected(facts, activation, target, options):
    """(id, exits) that repaq must answer with; exits (0,) where the conversion is allowed."""
    if target == "hf":
        return "", (0,)
    for rule, exits, targets, test in RULES:
        if target not in targets:
            continue
        for weight in facts:
            if weight.format.startswith("gptq") and target.startswith("gptq") and rule == "R-SCALE":
                continue                                 # kept as they are
            if weight.format == target and rule != "R-BITS":
                continue                                 # nothing changes
            if test(weight, target, options):
                return "%s (%s)" % (rule, weight.module), exits if isinstance(exits, tuple) else (exits,)
    if activation and target == "msmodelslim" and any(bool((weight.live() != 1 << (weight.bits - 1)).any()) for weight in facts):
        return "R-RANGE (W8A8_DYNAMIC is symmetric)", (6,)
    if activation and target in ("awq", "gptq", "gptq_v2", "mlx") and "--weights-only" not in options:
        return "R-ACTPARAM", (6,)
    if activation and target not in ("msmodelslim",):
        return "activations", (0, 6)                     # compressed-tensors can hold some of them
    if len({weight.bits for weight in facts}) > 1 and target == "awq":
        return "R-MIXED", (6,)
    return "", (0,)
