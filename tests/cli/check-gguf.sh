# A GGUF file that is whole: by its header for engines that read it, and with a way out for one that does not; a directory of one is taken for it.
$MAKE gguf m
for engine in llama.cpp ollama vllm transformers mlx; do "$REPAQ" check m/m.gguf --for $engine; done
"$REPAQ" check m --for gptqmodel
