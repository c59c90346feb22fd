"""gpt-oss into GGUF: stacks of MXFP4 move as bytes, float stacks are turned, whatever --type says of the rest; and what is refused.

Hugging Face  experts.gate_up_proj_blocks [E][2I][H/32][16], _scales, _bias [E][2I]: rows are gate, up, gate, up ...; floats lie turned, [E][H][2I]
GGUF          ffn_gate_exps.weight, ffn_up_exps.weight [E][I][H], .bias [E][I] F32, ffn_down_exps alike
"""
import os
import random
import shutil

import floats
import gguf
import st
from mxfp4 import Case, block_of, write

EXPERTS, HIDDEN, WIDE, LAYERS, HEAD, HEADS, KEYS, TOKENS = 3, 64, 32, 2, 8, 4, 2, 8
CONFIG = {"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "hidden_size": HIDDEN, "intermediate_size": WIDE, "num_hidden_layers": LAYERS,
          "num_attention_heads": HEADS, "num_key_value_heads": KEYS, "head_dim": HEAD, "vocab_size": TOKENS, "max_position_embeddings": 128,
          "sliding_window": 16, "num_local_experts": EXPERTS, "num_experts_per_tok": 2, "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
          "layer_types": ["sliding_attention", "full_attention"], "swiglu_limit": 7.0, "dtype": "bfloat16", "rope_theta": 150000,
          "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False, "original_max_position_embeddings": 4096}}
CODED = {**CONFIG, "quantization_config": {"quant_method": "mxfp4"}}
LINEARS = {"self_attn.q_proj": ("attn_q", HEADS * HEAD, HIDDEN), "self_attn.k_proj": ("attn_k", KEYS * HEAD, HIDDEN),
           "self_attn.v_proj": ("attn_v", KEYS * HEAD, HIDDEN), "self_attn.o_proj": ("attn_output", HIDDEN, HEADS * HEAD),
           "mlp.router": ("ffn_gate_inp", EXPERTS, HIDDEN)}
VECTORS = {"input_layernorm.weight": ("attn_norm", HIDDEN), "post_attention_layernorm.weight": ("post_attention_norm", HIDDEN),
           "self_attn.sinks": ("attn_sinks", HEADS)}
KEYS_OF = {"general.architecture": "gpt-oss", "gpt-oss.block_count": LAYERS, "gpt-oss.context_length": 128, "gpt-oss.embedding_length": HIDDEN,
           "gpt-oss.feed_forward_length": WIDE, "gpt-oss.attention.head_count": HEADS, "gpt-oss.attention.head_count_kv": KEYS,
           "gpt-oss.rope.scaling.type": "yarn", "gpt-oss.rope.scaling.factor": 32.0, "gpt-oss.rope.scaling.original_context_length": 4096,
           "gpt-oss.rope.scaling.yarn_beta_fast": 32.0, "gpt-oss.rope.scaling.yarn_beta_slow": 1.0, "gpt-oss.rope.freq_base": 150000.0,
           "gpt-oss.expert_count": EXPERTS, "gpt-oss.expert_used_count": 2, "gpt-oss.attention.key_length": HEAD, "gpt-oss.attention.value_length": HEAD,
           "gpt-oss.attention.sliding_window": 16, "gpt-oss.expert_feed_forward_length": WIDE}


def some(rng, *shape):
    return st.Tensor("BF16", shape, floats.encode([rng.gauss(0, 1) for _ in range(st.product(shape))], "BF16"))


def plain(rng):
    """({name: tensor}, {GGUF's name: tensor}) of what is no expert."""
    pairs = [("model.embed_tokens.weight", "token_embd.weight", (TOKENS, HIDDEN)), ("lm_head.weight", "output.weight", (TOKENS, HIDDEN)),
             ("model.norm.weight", "output_norm.weight", (HIDDEN,))]
    for layer in range(LAYERS):
        path, block = "model.layers.%d." % layer, "blk.%d." % layer
        for module, (name, out, columns) in LINEARS.items():
            pairs += [(path + module + ".weight", block + name + ".weight", (out, columns)), (path + module + ".bias", block + name + ".bias", (out,))]
        pairs += [(path + module, block + name + ".weight", (size,)) for module, (name, size) in VECTORS.items()]
    made = [(source, name, some(rng, *shape)) for source, name, shape in pairs]
    return {source: tensor for source, _, tensor in made}, {name: tensor for _, name, tensor in made}


def every_other(items, experts, which):
    """Items [experts][2n], one expert after another: the even ones of each, or the odd ones."""
    each = len(items) // experts
    return [item for expert in range(experts) for item in items[expert * each + which:(expert + 1) * each:2]]


def wide(values):
    return floats.encode(values, "F32")


def coded(rng, low=0, high=254):
    """A checkpoint of MXFP4 experts, and what its experts are in GGUF: {name: (type, dims, bytes)}."""
    tensors, blocks, biases = {}, {}, {}
    for layer in range(LAYERS):
        for module, names, rows, columns in (("down_proj", ("down",), HIDDEN, WIDE), ("gate_up_proj", ("gate", "up"), 2 * WIDE, HIDDEN)):
            stem, groups = "model.layers.%d.mlp.experts.%s" % (layer, module), columns // 32
            codes, scales = rng.randbytes(EXPERTS * rows * groups * 16), bytes([low, high] + [rng.randint(low, high) for _ in range(EXPERTS * rows * groups - 2)])
            bias = some(rng, EXPERTS, rows)
            tensors.update({stem + "_blocks": st.Tensor("U8", [EXPERTS, rows, groups, 16], codes),
                            stem + "_scales": st.Tensor("U8", [EXPERTS, rows, groups], scales), stem + "_bias": bias})
            made = [block_of(codes[16 * at:16 * at + 16], scales[at]) for at in range(EXPERTS * rows * groups)]
            lines = [b"".join(made[row * groups:row * groups + groups]) for row in range(EXPERTS * rows)]
            numbers = floats.decode(bias.data, "BF16")
            for which, name in enumerate(names):
                own = "blk.%d.ffn_%s_exps" % (layer, name)
                half = (lines, numbers) if len(names) == 1 else (every_other(lines, EXPERTS, which), every_other(numbers, EXPERTS, which))
                blocks[own + ".weight"] = ("MXFP4", (columns, rows // len(names), EXPERTS), b"".join(half[0]))
                biases[own + ".bias"] = ("F32", (rows // len(names), EXPERTS), wide(half[1]))
    return tensors, blocks, biases


def turned(rng, dtype):
    """The same of floats: X [E][in][out]."""
    tensors, made = {}, {}
    for layer in range(LAYERS):
        for module, names, rows, columns in (("down_proj", ("down",), HIDDEN, WIDE), ("gate_up_proj", ("gate", "up"), 2 * WIDE, HIDDEN)):
            stem, stack, bias = "model.layers.%d.mlp.experts.%s" % (layer, module), some(rng, EXPERTS, columns, rows), some(rng, EXPERTS, rows)
            tensors.update({stem: stack, stem + "_bias": bias})
            numbers, values = floats.decode(bias.data, "BF16"), floats.decode(stack.data, "BF16")
            for which, name in enumerate(names):
                step, own = len(names), "blk.%d.ffn_%s_exps" % (layer, name)
                out = [values[(expert * columns + column) * rows + row] for expert in range(EXPERTS) for row in range(which, rows, step) for column in range(columns)]
                made[own + ".weight"] = (dtype, (columns, rows // step, EXPERTS), floats.encode(out, dtype))
                made[own + ".bias"] = ("F32", (rows // step, EXPERTS), wide(every_other(numbers, EXPERTS, which) if step == 2 else numbers))
    return tensors, made


def of_type(tensor, name, dtype):
    """A float tensor that is no expert, in a file of the type."""
    kept = len(tensor.shape) == 1 or "ffn_gate_inp" in name or name.endswith(".bias")
    own = "F32" if kept or dtype == "F32" else dtype
    return own, tuple(reversed(tensor.shape)), floats.encode(floats.decode(tensor.data, "BF16"), own)


def hold(case, source, wanted, filetype, *flags):
    """The file of the source: every tensor, the keys, how it is called; and `verify`, which reads it back."""
    written = os.path.join(case.scratch, "file %d.gguf" % len(os.listdir(case.scratch)))
    label = "%s -> gguf %s" % (os.path.basename(source), " ".join(flags))
    code, _, message = case.run("convert", source, written, "--to", "gguf", "--verify", *flags)
    if code:
        case.say(label, ["exit %d: %s" % (code, message.strip()[:400])])
        return None
    file, problems = gguf.File(written), []
    problems += ["%s: missing" % name for name in wanted if name not in file.tensors] + ["%s: too many" % name for name in file.tensors if name not in wanted]
    problems += ["%s differs: %s %s" % ((name,) + file.tensors[name][:2]) for name in wanted if name in file.tensors and file.tensors[name] != wanted[name]]
    problems += ["%s: %s, expected %s" % (key, file.pairs.get(key), value) for key, value in {**KEYS_OF, "general.file_type": filetype}.items()
                 if file.pairs.get(key) != value]
    code, out, message = case.run("verify", source, written)
    problems += ["verify: exit %d: %s" % (code, (message or out).strip()[:300])] if code else []
    case.say(label, problems)
    return written


def broken(case, tensors, config):
    """What a file would be of, but for one thing."""
    stem = "model.layers.1.mlp.experts."

    def one(name, code, rid, changes, **other):
        place = os.path.join(case.scratch, name)
        write(place, {key: tensor for key, tensor in {**tensors, **changes}.items() if tensor is not None},
              {key: value for key, value in {**config, **other}.items() if value is not None}, "pt")
        case.refused(place, "gguf", code, rid)

    scales, bias, blocks = tensors[stem + "gate_up_proj_scales"], tensors[stem + "gate_up_proj_bias"], tensors[stem + "gate_up_proj_blocks"]
    one("an exponent of 255", 6, "R-E255", {stem + "gate_up_proj_scales": st.Tensor("U8", scales.shape, b"\xff" + scales.data[1:])})
    one("no scales", 4, "R-INCOMPLETE", {stem + "down_proj_scales": None})
    one("no blocks", 4, "R-INCOMPLETE", {stem + "down_proj_blocks": None})
    one("no bias", 4, "R-INCOMPLETE", {stem + "gate_up_proj_bias": None})
    one("a layer less", 4, "R-INCOMPLETE", {}, num_hidden_layers=LAYERS + 1)
    one("another number of experts", 4, "R-SHAPE", {}, num_local_experts=EXPERTS + 1)
    one("an odd number of rows", 4, "R-SHAPE",
        {stem + "gate_up_proj_scales": st.Tensor("U8", [1, EXPERTS * 2 * WIDE - 1, 2], scales.data[2:]),
         stem + "gate_up_proj_blocks": st.Tensor("U8", [1, EXPERTS * 2 * WIDE - 1, 2, 16], blocks.data[32:]),
         stem + "gate_up_proj_bias": st.Tensor("BF16", [1, EXPERTS * 2 * WIDE - 1], bias.data[2:])})
    one("scales of other rows", 4, "R-SHAPE", {stem + "gate_up_proj_scales": st.Tensor("U8", [EXPERTS, WIDE, 4], scales.data)})
    one("biases of other rows", 4, "R-SHAPE", {stem + "gate_up_proj_bias": st.Tensor("BF16", [EXPERTS, WIDE], bias.data[:EXPERTS * WIDE * 2])})
    one("no window", 4, "sliding_window", {}, sliding_window=None)
    one("no scaling", 4, "rope_scaling", {}, rope_scaling=None)
    one("another limit", 5, "swiglu_limit", {}, swiglu_limit=6.0)
    one("other layers", 5, "layer_types", {}, layer_types=["full_attention", "sliding_attention"])


def same_in_mlx(case, source, written):
    """Experts that came through GGUF are those that came straight."""
    found = []
    for place in (source, written):
        directory, _, problems = case.convert(place, "mlx")
        found.append({name: tensor for name, tensor in st.read_directory(directory)[0].items() if name.endswith((".weight", ".scales")) and ".experts." in name}
                     if directory else {"nothing": problems})
    case.say("GGUF -> mlx", [] if found[0] == found[1] else ["%s differs" % name for name in found[1] if found[0].get(name) != found[1][name]][:4] or ["fewer"])


def checked(case, written):
    """`check` misses what llama.cpp would: sinks, biases of experts, an output of its own."""
    code, out, _ = case.run("check", written, "--for", "llama.cpp")
    case.say("check of the whole file", [out.strip()[:300]] if "no such tensor" in out or "does not have" in out else [])
    for pattern, name in ((r"blk\.1\.attn_sinks", "blk.1.attn_sinks.weight"), (r"blk\.0\.ffn_up_exps\.bias", "blk.0.ffn_up_exps.bias"),
                          (r"^output\.weight", "output.weight")):
        less = os.path.join(case.scratch, "less %d.gguf" % len(os.listdir(case.scratch)))
        code, _, message = case.run("convert", written, less, "--to", "gguf", "--exclude", pattern)
        code, out, _ = (code, message, None) if code else case.run("check", less, "--for", "llama.cpp")
        case.say("check without " + name, [] if code and name in out else ["exit %d: %s" % (code, out.strip()[:300])])


def judge(program, scratch):
    """The lines of all cases."""
    os.makedirs(scratch)
    case, rng = Case(program, scratch, "gpt-oss"), random.Random("gpt-oss")
    rest, named = plain(rng)
    experts, blocks, biases = coded(rng)
    source = os.path.join(scratch, "MXFP4")
    write(source, {**rest, **experts}, CODED, "pt")
    for flags, dtype in (((), "BF16"), (("--type", "F32"), "F32"), (("--type", "F16"), "F16"), (("--type", "BF16"), "BF16")):
        wanted = {**blocks, **biases, **{name: of_type(tensor, name, dtype) for name, tensor in named.items()}}
        written = hold(case, source, wanted, 38, *flags)
    for target in ("hf", "gptq", "compressed-tensors"):
        case.refused(written, target, 5 if target == "hf" else 6, "R-EXPERTS")
    mild = os.path.join(scratch, "mild MXFP4")
    write(mild, {**rest, **coded(rng, 110, 124)[0]}, CODED, "pt")
    case.refused(mild, "gguf", 6, "--allow-requantize", "--type", "Q4_K_M")
    same_in_mlx(case, source, written)
    checked(case, written)
    for dtype, filetype in (("F32", 0), ("F16", 1), ("BF16", 32)):
        floating, made = turned(rng, dtype)
        place = os.path.join(scratch, "floats for " + dtype)
        write(place, {**rest, **floating}, CONFIG, "pt")
        written = hold(case, place, {**made, **{name: of_type(tensor, name, dtype) for name, tensor in named.items()}}, filetype, "--type", dtype)
        case.refused(written, "hf", 5, "R-EXPERTS")
    broken(case, {**rest, **experts}, CODED)
    shutil.rmtree(scratch)
    return case.lines
