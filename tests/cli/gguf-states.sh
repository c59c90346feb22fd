# What a GGUF file says of itself is held against its tensors; scales that F16 rounds make a weight rounded; MLX's biases are minima where they are F16.
python3 -B -c '
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import ggufmodel
for name, key in (("layers", "block_count"), ("columns", "embedding_length")):
    pairs, tensors = ggufmodel.model("llama")
    ggufmodel.write(pathlib.Path(name + ".gguf"), pairs | {"llama." + key: ("u32", 96)}, tensors)' "$TESTS/malformed"
"$REPAQ" convert layers.gguf layers --to hf; echo "exit $?"
"$REPAQ" convert columns.gguf columns --to hf; echo "exit $?"
"$REPAQ" convert "$FIXTURES/msmodelslim/ms-qwen2-w4a16-awq-g64-sym-mixedfloat-safe" r.gguf --to gguf --base "$FIXTURES/awq/awq-qwen2-4bit-g128" | grep '^tensors\|^rounding'
"$REPAQ" convert "$FIXTURES/mlx/mlx-qwen2-4bit-g64" m.gguf --to gguf --verify | grep '^type\|verified'
