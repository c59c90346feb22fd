# A weight that --exclude names goes whole, and every tensor of it is listed.
$MAKE gptq SRC
"$REPAQ" convert SRC DST --to awq --exclude 'up_proj\.qweight$' --dry-run | grep -E 'up_proj|^tensors'
