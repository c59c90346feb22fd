# What is computed for W8A8 states its error, in the manifest and in --json: of a deq_scale relative, of a quant_bias in its own units.
$MAKE static SRC bias
"$REPAQ" convert SRC DST --to msmodelslim --layout unpacked --verify --json | grep -oE '"name": "[^"]*up_proj.(deq_scale|quant_bias)"|"(max_[a-z_]*)": [0-9.e-]*' | tail -4
grep -E 'up_proj.*(deq_scale|quant_bias)"' DST/repaq-manifest.json | sed 's/, "xxh3.*//'
