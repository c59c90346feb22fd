# A set of files, for an engine that reads sets and one that does not; then one that is not whole.
$MAKE gguf m set
for engine in llama.cpp ollama; do "$REPAQ" check m/m-00001-of-00002.gguf --for $engine; done
rm m/m-00002-of-00002.gguf; "$REPAQ" check m --for llama.cpp
