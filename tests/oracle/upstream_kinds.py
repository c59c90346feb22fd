"""Which reading a directory needs."""
import os

import upstream_base
from upstream_ct import CompressedTensors
from upstream_float import BitsAndBytes, Fp8, Mxfp4
from upstream_int import Awq, Gptq
from upstream_mlx import Mlx
from upstream_ms import MsModelSlim

METHODS = {"gptq": Gptq, "awq": Awq, "compressed-tensors": CompressedTensors, "bitsandbytes": BitsAndBytes, "fp8": Fp8, "fbgemm_fp8": Fp8,
           "mxfp4": Mxfp4}


def kind(directory):
    if any(name.startswith("quant_model_description") for name in os.listdir(directory)):
        return MsModelSlim
    config = upstream_base.load_config(directory)
    method = (config.get("quantization_config") or {}).get("quant_method")
    if method is None:
        return Mlx if "quantization" in config else upstream_base.Float
    return METHODS[method]


def read(directory):
    return kind(directory)(directory)
