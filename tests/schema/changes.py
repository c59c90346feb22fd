"""What documents of the fixtures are changed into: by hand, where both schema and reader must refuse the change, and by the values that members are given one by one."""


def setting(*path_and_value):
    *path, value = path_and_value

    def change(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value
    return change


def removing(*path):
    def change(document):
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]
    return change


def setting_all(**values):
    return lambda document: document.update(values)


def removing_all(*paths, then=lambda document: None):
    def change(document):
        for path in paths:
            removing(*path)(document)
        then(document)
    return change


AWQ, GPTQ = "awq/awq-qwen2-4bit-g128", "gptq/gptq-qwen2-4bit-g128-sym"
CT, MLX = "compressed_tensors/ct-qwen2-w4a16-awq-g64-asym", "mlx/mlx-qwen2-4bit-g64"
MS, SHARDED = "msmodelslim/edge-w4a16-g32-sym-zeros-safe", "hf/tiny-float-sharded"
DESCRIPTION, INDEX = "quant_model_description_w4a16.json", "model.safetensors.index.json"
# (fixture, file, member path into it, schema, label, change): each change breaks the document; schema and reader must both refuse it.
MUTATIONS = [
    (AWQ, "config.json", ["quantization_config"], "awq", "bits 3", setting("bits", 3)),
    (AWQ, "config.json", ["quantization_config"], "awq", "bits a string", setting("bits", "4")),
    (AWQ, "config.json", ["quantization_config"], "awq", "no bits", removing("bits")),
    (AWQ, "config.json", ["quantization_config"], "awq", "group_size 0", setting("group_size", 0)),
    (AWQ, "config.json", ["quantization_config"], "awq", "group_size -2", setting("group_size", -2)),
    (AWQ, "config.json", ["quantization_config"], "awq", "group_size 12.5", setting("group_size", 12.5)),
    (AWQ, "config.json", ["quantization_config"], "awq", "no group_size", removing("group_size")),
    (AWQ, "config.json", ["quantization_config"], "awq", "version marlin", setting("version", "marlin")),
    (AWQ, "config.json", ["quantization_config"], "awq", "version a number", setting("version", 1)),
    (AWQ, "config.json", ["quantization_config"], "awq", "zero_point a string", setting("zero_point", "yes")),
    (AWQ, "config.json", ["quantization_config"], "awq", "no quant_method", removing("quant_method")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "bits 5", setting("bits", 5)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "bits true", setting("bits", True)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "group_size a string", setting("group_size", "128")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "group_size 0", setting("group_size", 0)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "sym a string", setting("sym", "true")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "desc_act a number", setting("desc_act", 0)),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "unknown checkpoint_format", setting("checkpoint_format", "marlin")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "pack_dtype int8", setting("pack_dtype", "int8")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "rotation set", setting("rotation", "hadamard")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "5 bits with rules", setting_all(bits=5, dynamic={".*": {"bits": 4}})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "3 bits in planes", setting_all(bits=3, checkpoint_format="gptq_p", format="gptq_p")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "two layouts", setting_all(checkpoint_format="gptq_v2", format="gptq_p")),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule that is a list", setting("dynamic", {"+:x": []})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule to skip that is true", setting("dynamic", {"-:x": True})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule of 9 bits", setting("dynamic", {"x": {"bits": 9}})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule of 1 bit", setting("dynamic", {"x": {"bits": 1}})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule of null bits", setting("dynamic", {"x": {"bits": None}})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule of group_size 0", setting("dynamic", {"x": {"group_size": 0}})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule with sym a number", setting("dynamic", {"x": {"sym": 1}})),
    (GPTQ, "config.json", ["quantization_config"], "gptq", "a rule with desc_act a string", setting("dynamic", {"x": {"desc_act": "yes"}})),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "no config_groups", removing("config_groups")),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "a preset", setting("config_groups", {"W4A16": ["Linear"]})),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "no targets", removing("config_groups", "group_0", "targets")),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "no weights", removing("config_groups", "group_0", "weights")),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "no format", removing_all(("format",), ("config_groups", "group_0", "format"))),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "the format of no group", removing_all(("config_groups", "group_0", "format"),
                                                                                                         then=setting("format", "mixed-precision"))),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "strategy group without a size",
     setting("config_groups", "group_0", "weights", "group_size", None)),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "a transform",
     setting("transform_config", {"config_groups": {"R1": {"apply": []}}})),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "a sparsity", setting("sparsity_config", {"format": "sparse-24-bitmask"})),
    (CT, "config.json", ["quantization_config"], "compressed-tensors", "an array", lambda document: []),
    (MLX, "config.json", ["quantization"], "mlx", "no bits", removing("bits")),
    (MLX, "config.json", ["quantization"], "mlx", "no group_size", removing("group_size")),
    (MLX, "config.json", ["quantization"], "mlx", "an entry that is a number", setting("model.layers.9.mlp.up_proj", 4)),
    (MLX, "config.json", ["quantization"], "mlx", "an entry that is null", setting("lm_head", None)),
    (MLX, "config.json", ["quantization"], "mlx", "an entry of 7 bits", setting("model.layers.9.mlp.up_proj", {"bits": 7})),
    (MLX, "config.json", ["quantization"], "mlx", "an entry of group_size -1", setting("head", {"group_size": -1})),
    (MLX, "config.json", ["quantization"], "mlx", "an entry of an unknown mode", setting("model.norm", {"mode": "nf4"})),
    (GPTQ, "quantize_config.json", [], "quantize_config", "bits a string", setting("bits", "4")),
    (GPTQ, "quantize_config.json", [], "quantize_config", "sym a string", setting("sym", "true")),
    (GPTQ, "quantize_config.json", [], "quantize_config", "no bits", removing("bits")),
    (GPTQ, "config.json", [], "gptq", "an array", lambda document: []),
    (AWQ, "config.json", [], "awq", "a string", lambda document: "awq"),
    (SHARDED, INDEX, [], "index", "an array", lambda document: [document]),
    (SHARDED, INDEX, [], "index", "an empty weight_map", setting("weight_map", {})),
    (SHARDED, INDEX, [], "index", "a shard with a line end", setting("weight_map", "model.norm.weight", "model-00002-of-00002.safetensors\n")),
    (SHARDED, INDEX, [], "index", "a hidden shard", setting("weight_map", "model.norm.weight", ".model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard of 300 bytes", setting("weight_map", "model.norm.weight", "m" * 288 + ".safetensors")),
    (SHARDED, INDEX, [], "index", "a shard behind a backslash", setting("weight_map", "model.norm.weight", "a\\model.safetensors")),
    (SHARDED, INDEX, [], "index", "no weight_map", removing("weight_map")),
    (SHARDED, INDEX, [], "index", "weight_map a list", setting("weight_map", [])),
    (SHARDED, INDEX, [], "index", "a shard that is a number", setting("weight_map", "model.norm.weight", 1)),
    (SHARDED, INDEX, [], "index", "a shard outside", setting("weight_map", "model.norm.weight", "../model-00002-of-00002.safetensors")),
    (SHARDED, INDEX, [], "index", "an absolute shard", setting("weight_map", "model.norm.weight", "/model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard on a drive", setting("weight_map", "model.norm.weight", "C:model.safetensors")),
    (SHARDED, INDEX, [], "index", "a shard of another kind", setting("weight_map", "model.norm.weight", "model.bin")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an entry that is a number", setting("lm_head.weight", 4)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an unknown type", setting("lm_head.weight", "W5A16")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a W4A8_DYNAMIC type", setting("lm_head.weight", "W4A8_DYNAMIC")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an unknown version", setting("version", "2.0.0")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a negative group_size", setting("group_size", -1)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "group_size a string", setting("group_size", "32")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a quantized cache", setting("kv_quant_type", "C8")),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a rotation", setting("optional", {"quarot": {}})),
    (MS, DESCRIPTION, [], "msmodelslim-description", "a rotation further in", setting("metadata", {"a": [{"quarot": None}]})),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an array", lambda document: [document]),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an entry that is null", setting("lm_head.weight", None)),
    (MS, DESCRIPTION, [], "msmodelslim-description", "an entry in small letters", setting("lm_head.weight", "float")),
]

# Schema and reader are compared on every member that a schema names, with every one of these values, and with those of its name.
VALUES = [None, True, False, 0, 1, -1, -2, 4, 5, 8, 32, 128, 2.5, 2 ** 31, 10 ** 20, "", "4", "gptq", "GPTQ_V2", "gptq_p", "awq", "Gemm", "int32", "W4A16",
          "1.0.0", [], ["x"], [["x"]], {}, {"a": 1}, {"a": {}}]
ARGS_VALUES = ["int", "float", "local", "group", "tensor", "channel", "token", "block", "tensor_group", "attn_head", "weight", "static", "dynamic", "x"]
FORMAT_VALUES = ["pack-quantized", "int-quantized", "naive-quantized", "float-quantized", "mxfp4-pack-quantized", "nvfp4-pack-quantized",
                 "mxfp8-quantized", "mixed-precision", "dense", "marlin-24", "Pack-quantized"]
MORE_VALUES = {
    "bits": [2, 3, 6, 7, 16], "w_bit": [3], "num_bits": [7, 9, 16, 32, 33, 4.0], "group_size": [64, 2 ** 31 - 1, 2 ** 53],
    "mode": ["affine", "mxfp4", "mxfp8", "nvfp4", "Affine"], "format": FORMAT_VALUES,
    "dynamic": [{"-:x": {}}, {"-:x": 1}, {"+:x": {"bits": 8}}, {"x": {"group_size": -1, "sym": True}}, {"": {}}, {"x": {"bits": 4.5}}] + ARGS_VALUES,
    "type": ARGS_VALUES, "strategy": ARGS_VALUES, "actorder": ARGS_VALUES,
    "version": ["0.18.0", "0.18", "0", "0.", ".18", "0.18.", "0.18rc1", "0.12.3.a20250101", "0.19.0+dev", "0.1234567890", "0.1.1234567890", "v1.0", "1..2",
                "0.123456789.123456789", "-1.0", " 1.0"],
    "block_structure": [[128, 128], "128x128"],
    "sparsity_config": [{"format": "dense"}, {"format": "marlin"}, {"format": None}],
    "transform_config": [{"config_groups": {}}, {"config_groups": {"a": {}}}, {"config_groups": None}],
    "quant_method": ["compressed-tensors", "Compressed-Tensors", "mlx"],
    "config_groups": [{"a": {"targets": ["Linear"], "weights": {}}}, {"a": {"targets": [1], "weights": {}}}, {"a": {"targets": ["Linear"], "weights": None}},
                      {"a": {"targets": "Linear", "weights": {}}}],
    "targets": [["Linear"], ["re:.*"], ["Linear", 1]], "ignore": [["lm_head", 1], ["re:^x$"]],
    "input_activations": [{"dynamic": True}, {"dynamic": True, "strategy": "token"}, {"strategy": "tensor"}, {"num_bits": 4}, {"type": "float"},
                          {"dynamic": True, "strategy": "token", "symmetric": False}, {"group_size": 128}, {"strategy": "token"}],
    "weights": [{"strategy": "group"}, {"group_size": 64}, {"group_size": 64, "strategy": "channel"}, {"group_size": -1, "strategy": "tensor"},
                {"type": "float", "strategy": "tensor_group", "group_size": 16}, {"strategy": "tensor_group", "group_size": 16},
                {"type": "float", "strategy": "tensor_group"}, {"num_bits": 9}, {"dynamic": True}, {"strategy": "block"}] + [{"strategy": "block", "block_structure": block} for block in (
                    None, [128, 128], [128], [1, 2, 3], [0, 1], [1, -1], [1, 2 ** 31], [1.5, 2], ["1", "2"], [], "128x128", "128", "x", "0x1", "1x0",
                    "-1x1", "1x1 ", " 1x1", "1x1x1", "01x1", "1X1", "99999999999x1", "1x99999999999999999999")],
}

# Members whose form the dialect's tools fix and which repaq's own output keeps, but which reading takes nothing from: any value is passed over.
PASSED_OVER = {
    ("index", "metadata"): "informative only",
    ("msmodelslim-description", "model_quant_type"): "informative only where it is no string",
    ("msmodelslim-description", "reduce_quant_type"): "of the run time",
    ("msmodelslim-description", "indexer_quant_type"): "of the run time",
    ("msmodelslim-description", "metadata"): "only a rotation in it counts",
    ("msmodelslim-description", "optional"): "only a rotation in it counts",
}
