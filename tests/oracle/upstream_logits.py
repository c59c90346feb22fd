"""transformers builds the float model of both sides, in F32, and they must say the same, bit for bit."""
import functools

import torch
from safetensors.torch import load_file

from upstream_base import ROUND

SKIPPED = {"quantization_config", "quantization", "model_type"}


def reference(reading, path):
    """What the makers of the models computed: (q - o) * s with numpy, or the tool's own dequantizer."""
    problems = []
    for key, wanted in load_file(path).items():
        found = reading.float(key[:-len(".weight")], torch.float32)
        if not torch.equal(found, wanted):
            problems.append("%s: %d of %d values differ" % (key, int((found != wanted).sum()), wanted.numel()))
    return problems


def state(reading, values):
    """The F32 state dict; `values` turns a weight's name into a tensor."""
    tensors = {name: tensor.float() for name, tensor in reading.carried.items() if tensor.is_floating_point()}
    tensors.update({reading.key(name): values(name).float() for name in reading.weights})
    return tensors


def tokens(config):
    return [token % config["vocab_size"] for token in range(1, 33)]


def logits(config, tensors):
    """(logits, tensors that the model lacks or does not know)."""
    from transformers import AutoConfig, AutoModelForCausalLM
    config = AutoConfig.for_model(config["model_type"], **{key: value for key, value in config.items() if key not in SKIPPED})
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    report = model.load_state_dict(tensors, strict=False)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    problems = ["the model lacks %s" % name for name in set(report.missing_keys) - tied]
    problems += ["the model does not know %s" % name for name in report.unexpected_keys]
    with torch.no_grad():
        return model.eval()(torch.tensor([tokens({"vocab_size": config.vocab_size})])).logits, problems


@functools.lru_cache(maxsize=4)
def of_source(source, dtype, floats):
    """The source's logits with the scales (or, for a float target, the weights) rounded to dtype."""
    def values(name):
        if floats:
            return source.float(name, dtype)
        return source.values(name, ROUND[dtype or source.scales(name).dtype])
    return logits(source.config, state(source, values))


def model(source, found, target, options):
    """[] if the model that was written says what the source says; a source whose own tensors no model takes is not judged."""
    if not source.config.get("architectures") and source.config.get("model_type") not in ("llama", "qwen2"):
        return []
    if target == "hf":
        tensors = {name: tensor.float() for name, tensor in found.tensors.items() if tensor.is_floating_point()}
        if not source.weights:
            wanted, known = logits(source.config, {name: tensor.to(cast(options, tensor)).float() for name, tensor in source.carried.items()})
        else:
            wanted, known = logits(source.config, {name: tensor.to(cast(options, tensor)).float() for name, tensor in
                                                   {**source.carried, **{source.key(name): source.float(name, floats_dtype(source, options))
                                                                         for name in source.weights}}.items()})
    else:
        dtypes = {found.scales(name).dtype for name in found.weights}
        wanted, known = of_source(source, dtypes.pop() if len(dtypes) == 1 else None, False)
        tensors = state(found, lambda name: found.values(name, torch.Tensor.double))
    got, unknown = logits(found.config, tensors)
    problems = sorted(set(unknown) - set(known))
    if not torch.equal(got, wanted):
        problems.append("logits differ by up to %g" % float((got - wanted).abs().max()))
    return problems


def floats_dtype(source, options):
    asked = options.get("--dtype")
    names = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
    return names.get(asked) or getattr(torch, source.config.get("dtype") or source.config.get("torch_dtype") or "float16")


def cast(options, tensor):
    return floats_dtype(None, options) if options.get("--dtype") and tensor.is_floating_point() else tensor.dtype
