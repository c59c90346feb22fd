#!/usr/bin/env python3
"""make.py KIND DIR [OPTION...]: a small checkpoint for a case. KIND: msmodelslim, packed, gptq, gptq_v2, awq, sharded, w8a16, static
(W8A8 of compressed-tensors), products (W8A8 of msmodelslim, input scales of 0.1), short (compressed-tensors whose last group is),
gguf (DIR/m.gguf, a llama), deflated (a pytorch_model.bin of one tensor, packed again), without (SRC MODULE: SRC less the tensors of MODULE),
edited (a copy of the directory that is the first option).

Options: asym (zeros that are not constant), rounded (scales that F16 cannot hold), flip (another value of one code), scale (one scale
twice as large). Of static: bias (a layer bias, and an input scale of 0.1). Of products: deq_scale, quant_bias, input_scale, input_offset (a bit of its first value is
another). Of deflated: large (its storage is 64 MiB), more (an entry of 64 MiB that no tensor has).
Of gguf: the name of a family, big (endian), set (of two files), pre (a pre-tokenizer that nobody has), -NAME (without this tensor or pair).
Of edited: -NAME (without this tensor), NAME=BYTE (its last bytes, of one value, are this one), NAME~ (floats that are 0)."""
import math
import pathlib
import shutil
import struct
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "malformed"))
import checkpoint  # noqa: E402
import defects  # noqa: E402
import ggufmodel  # noqa: E402
import modern  # noqa: E402
import torchsave  # noqa: E402


def gguf(folder, options):
    pairs, tensors = ggufmodel.model(next((word for word in options if word in ggufmodel.FAMILIES), "llama"))
    for word in options:
        if word.startswith("-"):
            pairs.pop(word[1:], None)
            tensors.pop(word[1:], None)
    if "pre" in options:
        pairs["tokenizer.ggml.pre"] = ("str", "nobodys")
    if "set" in options:
        ggufmodel.write_set(folder, pairs, tensors)
    else:
        ggufmodel.write(folder / "m.gguf", pairs, tensors, big="big" in options)


def deflated(folder, options):
    zeros = bytes(64 << 20)
    storages = {"0": zeros if "large" in options else torchsave.HALVES, **({"1": zeros} if "more" in options else {})}
    torchsave.make_zip(folder, torchsave.state(torchsave.tensor()), storages, zipfile.ZIP_DEFLATED)


def without(folder, source, module):
    shutil.copytree(source, folder)
    path = folder / "model.safetensors"
    checkpoint.write_tensors(path, {name: tensor for name, tensor in checkpoint.read_tensors(path).items() if not name.startswith(module + ".")})


def edited(folder, source, *options):
    shutil.copytree(source, folder)
    path = next(folder.glob("*.safetensors"))
    tensors = checkpoint.read_tensors(path)
    for word in options:
        if word.startswith("-"):
            del tensors[word[1:]]
        elif word.endswith("~"):
            shape = tensors[word[:-1]][1]
            tensors[word[:-1]] = ["BF16", shape, bytearray(2 * math.prod(shape))]
        else:
            name, byte = word.split("=")
            tensors[name][2][-4:] = bytes([int(byte, 16)]) * len(tensors[name][2][-4:])
    text = checkpoint.header_text(tensors)
    checkpoint.write_tensors(path, tensors, '{"__metadata__":{"format":"pt"},' + text[1:])


def main(kind, place, *options):
    folder = pathlib.Path(place)
    if kind == "without":
        return without(folder, *options)
    if kind == "gguf":
        return gguf(folder, options)
    if kind == "deflated":
        return deflated(folder, options)
    if kind == "edited":
        return edited(folder, *options)
    asymmetric = "asym" in options
    table = checkpoint.weights(zeros="asym" if asymmetric else "sym", bits=8 if kind == "w8a16" else 4)
    weight = table[defects.UP]
    if "rounded" in options:
        weight.scales[3][1] = 0.1
    if "flip" in options:
        weight.codes[5][7] ^= 1
    if "scale" in options:
        weight.scales[4][0] *= 2
    if kind in ("msmodelslim", "packed", "w8a16"):
        checkpoint.make_msmodelslim(folder, table, packed=kind == "packed")
    elif kind in ("gptq", "gptq_v2"):
        checkpoint.make_gptq(folder, table, v2=kind == "gptq_v2", sym=not asymmetric)
    elif kind == "awq":
        checkpoint.make_awq(folder, table)
    elif kind == "static":
        modern.make_ct_int8(folder, checkpoint.weights(bits=8, group=-1), static=True)
        if "bias" in options:
            path = folder / "model.safetensors"
            tensors = checkpoint.read_tensors(path)
            rows = tensors[defects.UP + ".weight"][1][0]
            tensors[defects.UP + ".bias"] = ["F32", [rows], modern.f32([0.013 * (n + 1) for n in range(rows)])]
            tensors[defects.UP + ".input_scale"][2] = bytearray(modern.f16([0.1]))
            checkpoint.write_tensors(path, tensors)
    elif kind == "products":
        modern.make_ms_static(folder, checkpoint.weights(bits=8, group=-1))
        path = folder / modern.MS_FILES[0]
        tensors = checkpoint.read_tensors(path)
        for name in tensors:
            if name.endswith(".input_scale"):
                tensors[name][2] = bytearray(struct.pack("<f", 0.1))
                module = name[:-len(".input_scale")]
                tenth = struct.unpack("<f", tensors[name][2])[0]
                scales = struct.unpack("<%df" % (len(tensors[module + ".weight_scale"][2]) // 4), tensors[module + ".weight_scale"][2])
                products = [struct.unpack("<i", struct.pack("<f", tenth * scale))[0] for scale in scales]
                tensors[module + ".deq_scale"][2] = bytearray(struct.pack("<%dq" % len(products), *products))
        for role in options:
            tensors[defects.UP + "." + role][2][1] ^= 0x40
        checkpoint.write_tensors(path, tensors)
    elif kind == "short":
        modern.make_ct(folder, checkpoint.weights(linears=(("model.layers.0.mlp.up_proj", 32, 80),)))
    elif kind == "sharded":
        defects.sharded_gptq(folder)
    else:
        raise SystemExit(f"unknown kind {kind}")


main(*sys.argv[1:])
