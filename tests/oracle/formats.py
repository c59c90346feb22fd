"""The plain readers by the names that repaq gives its formats, and how a directory is recognised."""
import os

import awq
import bnb
import compressed
import gptq
import hf
import minifloat
import mlx_affine
import msmodelslim
import st

READERS = {"msmodelslim": msmodelslim.read, "awq": awq.read, "gptq": gptq.read, "gptq_v2": gptq.read, "compressed-tensors": compressed.read,
           "mlx": mlx_affine.read, "bitsandbytes": bnb.read, "fp8": minifloat.read, "mxfp4": minifloat.read, "hf": hf.read}
METHODS = {"awq": "awq", "gptq": "gptq", "compressed-tensors": "compressed-tensors", "bitsandbytes": "bitsandbytes", "fp8": "fp8",
           "fbgemm_fp8": "fp8", "mxfp4": "mxfp4"}


def recognise(directory):
    """The format of a directory, None where there is none."""
    if msmodelslim.find_description(directory):
        return "msmodelslim"
    path = os.path.join(directory, "config.json")
    if not os.path.exists(path) or not any(name.endswith(".safetensors") for name in os.listdir(directory)):
        return None
    config = st.load_json(path)
    method = (config.get("quantization_config") or {}).get("quant_method")
    if method is None:
        return "mlx" if "quantization" in config else "hf"
    return "gptq_v2" if method == "gptq" and config["quantization_config"].get("checkpoint_format") == "gptq_v2" else METHODS.get(method)
