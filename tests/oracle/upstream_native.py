"""Whole models that the upstream loaders build from a directory alone: every key used, every module of the right kind. Their logits are only
reported: the kernels compute in other dtypes."""
import sys
from pathlib import Path

import torch

import upstream_logits
from upstream_base import differ


def report(found, logits):
    """Into the log: how far the loader's logits are from those of the F32 model with the same weights."""
    wanted, _ = upstream_logits.logits(found.config, upstream_logits.state(found, lambda name: found.values(name, torch.Tensor.double)))
    error = float((logits.float() - wanted).abs().max() / wanted.abs().max())
    print("native logits of %s in %s: %g of the largest" % (found.format, found.directory, error), file=sys.stderr)


def compressed_tensors(found, directory):
    """transformers with `dequantize=True`; without it, it cannot load packed zero points. It takes one group's scheme for all modules."""
    from transformers import AutoModelForCausalLM, CompressedTensorsConfig
    if len(found.quantization.config_groups) > 1 or any(found.act_order(name) for name in found.weights):
        return []                                # act-order: refused since compressed-tensors 0.19
    model, loaded = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True, dtype=torch.float32,
                                                         quantization_config=CompressedTensorsConfig(dequantize=True))
    loaded["unexpected_keys"] = set(loaded["unexpected_keys"]) - set(found.activation)       # a dequantized model has no place for them
    problems = ["transformers: %s: %s" % (what, sorted(keys)[:3]) for what, keys in loaded.items() if keys and what != "error_msgs"]
    state = model.state_dict()
    for name in found.weights:
        problems += differ("transformers: " + name, state[name + ".weight"], found.values(name, lambda scales: scales).float())
    with torch.no_grad():
        report(found, model.eval()(torch.tensor([upstream_logits.tokens(found.config)])).logits)
    return problems


def mlx(found, directory):
    import mlx.core as mx
    import mlx.nn as nn
    import upstream_mlx
    from mlx_lm.models.switch_layers import QuantizedSwitchLinear
    from mlx_lm.utils import load_model
    model, _ = load_model(Path(directory), strict=True)
    problems, kinds = [], (nn.QuantizedLinear, nn.QuantizedEmbedding, QuantizedSwitchLinear)
    for name, module in model.named_modules():
        quantized = isinstance(module, kinds)
        if quantized != (name in found.weights):
            problems.append("mlx_lm: %s was loaded as %s" % (name, type(module).__name__))
        elif quantized and module.bits != found.bits[name]:
            problems.append("mlx_lm: %s was loaded with %d bits" % (name, module.bits))
    with mx.stream(mx.cpu):
        report(found, upstream_mlx.to_torch(model(mx.array([upstream_logits.tokens(found.config)])).astype(mx.float32)))
    return problems


LOADERS = {"compressed-tensors": compressed_tensors, "mlx": mlx}


def load(found, directory):
    """[] for formats without a loader here: GPTQModel and AutoAWQ are asked in upstream.py."""
    if not found.config.get("architectures") or found.format not in LOADERS:
        return []
    return LOADERS[found.format](found, directory)
