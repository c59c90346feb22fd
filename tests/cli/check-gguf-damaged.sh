# A truncated file is a finding; a header that cannot be parsed is exit 4.
$MAKE gguf m
head -c 90000 m/m.gguf >n.gguf; "$REPAQ" check n.gguf --for llama.cpp; echo "exit $?"
head -c 500 m/m.gguf >n.gguf; "$REPAQ" check n.gguf --for llama.cpp
