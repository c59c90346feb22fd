# Types of few bits need an importance matrix.
cp "$FIXTURES"/gguf/gqa2-3/*.gguf m.gguf; "$REPAQ" llama-quantize m.gguf o.gguf IQ2_XS
