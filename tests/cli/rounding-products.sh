# A computed deq_scale is off by what F32 makes of the product; an input scale counts as scales do.
$MAKE products SRC
"$REPAQ" convert SRC CT --to compressed-tensors | grep -c "^rounding"
"$REPAQ" convert CT MS --to msmodelslim --layout unpacked | grep "^rounding"
"$REPAQ" convert CT MS16 --to msmodelslim --layout unpacked --dtype f16 | grep "^rounding"
"$REPAQ" convert SRC CT16 --to compressed-tensors --dtype f16 | grep "^rounding"
grep -oE 'q_proj.deq_scale.*"max_relative_error": [0-9.e-]*' MS/repaq-manifest.json | grep -oE '"max.*'
