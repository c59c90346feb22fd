# GPTQ holds a last group that is shorter than the others; whoever writes one is told who reads it.
$MAKE short SRC
"$REPAQ" convert SRC DST --to gptq_v2 | grep tensors
