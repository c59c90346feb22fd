#!/usr/bin/env python3
"""Decompresses with the compressed-tensors that is unpacked at the first argument: 0.18.0, the last that knows `weight_g_idx`.

    upstream_gidx.py PACKAGES FOLDER        FOLDER/job.safetensors (NAME|ROLE) and config.json -> FOLDER/values.safetensors
"""
import json
import os
import sys

sys.path.insert(0, sys.argv[1])

import compressed_tensors
from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationConfig
from safetensors.torch import load_file, save_file

if compressed_tensors.__version__ != "0.18.0":
    sys.exit("compressed-tensors %s was found, not 0.18.0" % compressed_tensors.__version__)
folder = sys.argv[2]
with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
    description = json.load(file)
groups = description["groups"]
config = QuantizationConfig.model_validate({key: value for key, value in description["config"].items()
                                            if key not in ("sparsity_config", "transform_config")})
states = {}
for name, tensor in load_file(os.path.join(folder, "job.safetensors")).items():
    module, _, role = name.partition("|")
    states.setdefault(module, {})[role] = tensor
save_file({module: PackedQuantizationCompressor.decompress(state, config.config_groups[groups[module]])["weight"].contiguous()
           for module, state in states.items()}, os.path.join(folder, "values.safetensors"))
