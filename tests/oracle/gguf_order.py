"""Quantized fixtures with other group maps, for gguf.py: whole blocks in any order go into GGUF where they stand; columns of down_proj in activation order go
there by group, and the rows of gate_proj and up_proj follow."""
import array
import json
import os
import random
import shutil
import struct

import floats
import st

GPTQ, PACKED = "gptq/gptq-qwen2-4bit-g128-sym", "compressed_tensors/ct-qwen2-w4a16-gptq-g128-sym-actgroup-gidx"
ASYMMETRIC, THREE = "gptq_v2/gptqv2-qwen2-4bit-g64-asym", "gptq/gptq-qwen2-3bit-g128-sym"
DOWN, GATE, UP = ("model.layers.%%d.mlp.%s_proj" % part for part in ("down", "gate", "up"))
LAYERS = 3


def spread(k, columns, group):
    """Every group in single columns all over the row."""
    return k * 37 % columns // group


def rotated(k, columns, group):
    """Whole groups, the last one first."""
    return (k // group + 1) % (columns // group)


def interleaved(k, columns, group):
    """Pieces of 32 columns of each group in turn."""
    return k // 32 % (columns // group)


def lay(source, folder, change):
    """A copy of `source` whose tensors `change` has gone over, in one file."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in os.listdir(source):
        if not name.endswith((".safetensors", ".index.json")) and name != "quantize_config.json":
            shutil.copyfile(os.path.join(source, name), os.path.join(folder, name))
    tensors, config = st.read_directory(source)[0], st.load_json(os.path.join(source, "config.json"))
    change(tensors, config)
    st.write(os.path.join(folder, "model.safetensors"), tensors, {"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    return folder


def set_map(tensors, module, rule, group=128):
    """The group map of a GPTQ module."""
    name = module + ".g_idx"
    columns = tensors[name].shape[0]
    tensors[name] = st.Tensor("I32", [columns], struct.pack("<%di" % columns, *[rule(k, columns, group) for k in range(columns)]))


def all_maps(rule):
    def change(tensors, config):
        config["quantization_config"]["desc_act"] = True
        for name in [name for name in tensors if name.endswith(".g_idx")]:
            set_map(tensors, name[:-len(".g_idx")], rule)
    return change


def down_maps(tensors, config):
    config["quantization_config"]["desc_act"] = True
    for layer in range(LAYERS):
        set_map(tensors, DOWN % layer, lambda k, columns, group: spread(k + 11 * layer, columns, group), config["quantization_config"]["group_size"])


def random_floats(count, seed):
    values = []
    for _ in range(count):
        seed = seed * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
        values.append(((seed >> 40) - (1 << 23)) / (1 << 28))
    return values


def float_makers(tensors, config):
    """gate and up of floats, with a bias for gate."""
    down_maps(tensors, config)
    for layer in range(LAYERS):
        for module in (GATE % layer, UP % layer):
            (columns,), out = tensors[module + ".g_idx"].shape, tensors[module + ".scales"].shape[1]
            for part in ("qweight", "qzeros", "scales", "g_idx"):
                del tensors[module + "." + part]
            tensors[module + ".weight"] = st.Tensor("F16", [out, columns], floats.encode(random_floats(out * columns, layer), "F16"))
            config["quantization_config"].setdefault("dynamic", {})["-:^%s$" % module.replace(".", "\\.")] = {}
        tensors[GATE % layer + ".bias"] = st.Tensor("F16", [out], floats.encode(random_floats(out, layer + 7), "F16"))


def only_down(tensors, config):
    """Of compressed-tensors: the other maps are left out, and mean the plain order."""
    del config
    for name in [name for name in tensors if name.endswith(".weight_g_idx") and "down_proj" not in name]:
        del tensors[name]


def order_of(folder, layer=0):
    """Columns of a down_proj by group, and in a group as they stand."""
    tensors = st.read_directory(folder)[0]
    tensor = next(tensors[DOWN % layer + part] for part in (".g_idx", ".weight_g_idx") if DOWN % layer + part in tensors)
    groups = struct.unpack("<%di" % tensor.shape[0], tensor.data)
    return sorted(range(len(groups)), key=lambda k: groups[k])


def sources(fixtures, scratch):
    """(name, folder, options, order, types) of every case."""
    folder = os.path.join(scratch, "ordered")
    gptq, packed, asymmetric, three = (os.path.join(fixtures, name) for name in (GPTQ, PACKED, ASYMMETRIC, THREE))
    exact = {module: "Q4_0" for module in ("ffn_down", "ffn_gate", "ffn_up", "attn_q", "attn_k", "attn_v", "attn_output")}
    yield "whole groups in another order", lay(gptq, folder, all_maps(rotated)), [], None, exact
    yield "pieces of groups in turn", lay(gptq, folder, all_maps(interleaved)), [], None, exact
    for made, change, kinds in ((gptq, down_maps, exact), (gptq, float_makers, {"ffn_down": "Q4_0", "ffn_gate": "F16"}), (packed, only_down, exact),
                                (asymmetric, down_maps, {"ffn_down": "Q5_0"}), (three, down_maps, exact)):
        lay(made, folder, change)
        yield "inputs of down by group: %s, %s" % (os.path.basename(made), change.__name__), folder, [], order_of(folder), kinds


def meet(repaq, folder, scratch, order, run):
    """verify knows both orders: GGUF of blocks, and what is made of it; what is not in order throughout differs."""
    made, back = os.path.join(scratch, "made.gguf"), os.path.join(scratch, "back")
    shutil.rmtree(back, ignore_errors=True)
    done = run(repaq, "verify", folder, made, "--json")
    moved = json.loads(done.stdout)["moved"] if done.stdout.startswith("{") else None
    if done.returncode != 0 or moved != (LAYERS if order else 0):
        return "verify: exit %d, %s moved: %s" % (done.returncode, moved, done.stderr.strip())
    done = run(repaq, "convert", made, back, "--to", "hf")
    if done.returncode != 0:
        return "back: exit %d: %s" % (done.returncode, done.stderr.strip())
    done = run(repaq, "verify", folder, back)
    if done.returncode != 0:
        return "verify of what came back: exit %d: %s%s" % (done.returncode, done.stdout.strip(), done.stderr.strip())
    return None


def floats_stay(repaq, fixtures, scratch, run):
    """What becomes floats, all of it or down alone, keeps the source's order."""
    folder, made = lay(os.path.join(fixtures, GPTQ), os.path.join(scratch, "ordered"), down_maps), os.path.join(scratch, "made.gguf")
    for options in (["--type", "F32"], ["--tensor-type", "ffn_down=F32"]):
        done = run(repaq, "convert", folder, made, "--to", "gguf", "--json", "--verify", "--force", *options)
        if done.returncode != 0 or any("moved" in tensor for tensor in json.loads(done.stdout)["tensors"]):
            return "%s: exit %d, something moved: %s" % (" ".join(options), done.returncode, done.stderr.strip())
        wrong = meet(repaq, folder, scratch, None, run)
        if wrong:
            return "%s: %s" % (" ".join(options), wrong)
    return None


def requantized(repaq, fixtures, scratch, run):
    """Where everything is in activation order, down is exact, and the others are rounded, in the rows that it asks for."""
    made = os.path.join(scratch, "made.gguf")
    done = run(repaq, "convert", os.path.join(fixtures, PACKED), made, "--to", "gguf", "--allow-requantize", "--verify", "--json", "--force")
    if done.returncode != 0:
        return "exit %d: %s" % (done.returncode, done.stderr.strip())
    for tensor in json.loads(done.stdout)["tensors"]:
        part = tensor["name"].split(".")[2] if tensor["name"].startswith("blk.") and tensor["name"].endswith(".weight") else None
        found = (tensor["dtype"], tensor["class"], tensor.get("moved"))
        moved = {"ffn_down": "inputs", "ffn_gate": "rows", "ffn_up": "rows"}.get(part)
        rounded = part is not None and part.startswith(("attn_", "ffn_")) and not part.endswith("norm")
        if (found[:2] != ("Q4_0", "exact")) if part == "ffn_down" else rounded and found[1] != "lossy":
            return "%s is %s" % (tensor["name"], found)
        if found[2] != moved:
            return "%s: moved %s, expected %s" % (tensor["name"], found[2], moved)
    return None


def mixture(tensors, config):
    """Mixtral of two layers, four experts and groups of 32, of which one expert's are in order."""
    draw, hidden, inner, experts = random.Random(29), 256, 128, 4
    config.update(architectures=["MixtralForCausalLM"], model_type="mixtral", hidden_size=hidden, intermediate_size=inner, num_hidden_layers=2,
                  num_attention_heads=4, num_key_value_heads=4, num_local_experts=experts, num_experts_per_tok=2)
    config["quantization_config"].update(desc_act=True, group_size=32)
    vocabulary = tensors["lm_head.weight"].shape[0]
    tensors.clear()

    def plain(name, *shape):
        tensors[name] = st.Tensor("F16", shape, bytes(2 * st.product(shape)))

    def linear(name, out, columns, spread_out=False):
        groups = [k // 32 for k in range(columns)]
        if spread_out:
            draw.shuffle(groups)
        tensors[name + ".qweight"] = st.Tensor("I32", [columns // 8, out], draw.randbytes(columns // 2 * out))
        tensors[name + ".qzeros"] = st.Tensor("I32", [columns // 32, out // 8], b"\x77" * (columns // 64 * out))
        tensors[name + ".scales"] = st.Tensor("F16", [columns // 32, out], floats.encode([draw.uniform(0.01, 0.1) for _ in range(columns // 32 * out)], "F16"))
        tensors[name + ".g_idx"] = st.Tensor("I32", [columns], struct.pack("<%di" % columns, *groups))

    for layer in range(2):
        prefix = "model.layers.%d." % layer
        for part in "qkvo":
            linear(prefix + "self_attn.%s_proj" % part, hidden, hidden)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            plain(prefix + norm + ".weight", hidden)
        plain(prefix + "block_sparse_moe.gate.weight", experts, hidden)
        for expert in range(experts):
            for part, out, columns in (("w1", inner, hidden), ("w2", hidden, inner), ("w3", inner, hidden)):
                linear(prefix + "block_sparse_moe.experts.%d.%s" % (expert, part), out, columns, part == "w2" and expert != 2)
    plain("model.norm.weight", hidden)
    plain("model.embed_tokens.weight", vocabulary, hidden)
    plain("lm_head.weight", vocabulary, hidden)


def each_expert(repaq, fixtures, scratch, run, read):
    """Every expert of a stack has an order of its own. `read`: (the tensors of a GGUF file, the values of one)."""
    folder, made, plain = (os.path.join(scratch, name) for name in ("ordered", "made.gguf", "floats"))
    lay(os.path.join(fixtures, GPTQ), folder, mixture)
    shutil.rmtree(plain, ignore_errors=True)
    for words in (["convert", folder, made, "--to", "gguf", "--verify", "--force"], ["verify", folder, made],
                  ["convert", folder, plain, "--to", "hf", "--dtype", "f32"]):
        done = run(repaq, *words)
        if done.returncode != 0:
            return "%s: exit %d: %s" % (words[0], done.returncode, done.stderr.strip())
    stored, values, file = st.read_directory(folder)[0], st.read_directory(plain)[0], read[0](made).tensors
    for layer in range(2):
        for part, name in (("w1", "gate"), ("w2", "down"), ("w3", "up")):
            word, dims, data = file["blk.%d.ffn_%s_exps.weight" % (layer, name)]
            found, expected, columns = read[1](word, data), [], dims[0]
            for expert in range(4):
                prefix = "model.layers.%d.block_sparse_moe.experts.%d." % (layer, expert)
                groups = struct.unpack("<128i", stored[prefix + "w2.g_idx"].data)
                order = sorted(range(128), key=lambda k: groups[k])
                flat = array.array("f", values[prefix + part + ".weight"].data)
                rows = [flat[at:at + columns] for at in range(0, len(flat), columns)]
                rows = [[row[k] for k in order] for row in rows] if part == "w2" else [rows[k] for k in order]
                expected += [value for row in rows for value in row]
            if found != expected:
                return "blk.%d.ffn_%s_exps.weight differs" % (layer, name)
    return None
