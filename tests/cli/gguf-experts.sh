# A stack of experts is of the first type that holds all of them: the first one is too wide below for the type of the others, the one between and the last above.
python3 -B -c '
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import checkpoint
inner = "model.layers.0.block_sparse_moe.experts."
shapes = {"w1": (128, 64), "w2": (64, 128), "w3": (128, 64)}
zeros = {"w1": (9, 10, 12), "w2": (2, 6), "w3": (3, 5, 6)}
table = {}
for at, (leaf, (out, columns)) in enumerate(shapes.items()):
    for expert in range(3):
        name = f"{inner}{expert}.{leaf}"
        table |= checkpoint.weights(seed=3 * at + expert, linears=((name, out, columns),))
        weight = table[name]
        if expert == at:
            weight.zeros = [[zeros[leaf][(n + g) % len(zeros[leaf])] for g in range(weight.groups)] for n in range(out)]
checkpoint.CONFIG |= {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "num_local_experts": 3, "num_key_value_heads": 2, "num_experts_per_tok": 1}
checkpoint.make_gptq(pathlib.Path("m"), table, v2=True, sym=False)
table[inner + "0.w1"].group_of = [k * 7 % 64 // 32 for k in range(64)]
checkpoint.make_gptq(pathlib.Path("n"), table, v2=True, sym=False, desc_act=True)' "$TESTS/malformed"
"$REPAQ" convert m m.gguf --to gguf | grep -A 1 '^type.*Q'
"$REPAQ" verify m m.gguf | tail -1
# One expert in activation order is enough for a refusal.
"$REPAQ" convert n n.gguf --to gguf 2>&1 | grep error
