# What a family has no name for is not lost under a name of GGUF's: it is refused, or left out by name.
python3 -B -c '
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import ggufmodel
pairs, tensors = ggufmodel.model("llama")
ggufmodel.write(pathlib.Path("m.gguf"), pairs, {**tensors, "blk.0.attn_sinks.weight": ggufmodel.tensor([32])})
ggufmodel.write(pathlib.Path("b.gguf"), pairs, {**tensors, "blk.0.ffn_more.weight": ggufmodel.tensor([32, 32], ggufmodel.Q8_0)})' "$TESTS/malformed"
for name in m b; do
    "$REPAQ" convert $name.gguf $name --to hf; echo "exit $?"
    "$REPAQ" convert $name.gguf $name --to hf --exclude 'attn_sinks|ffn_more' | grep '^written\|^tensors\|^dropped'
    "$REPAQ" convert $name.gguf $name-2.gguf --to gguf --verify | grep verified
done
