# Big endian, as JSON.
$MAKE gguf m big
"$REPAQ" check m/m.gguf --for vllm --json
