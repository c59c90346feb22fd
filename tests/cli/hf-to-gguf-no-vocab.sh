# --vocab-only of a family whose tokenizer is SentencePiece's, without a tokenizer.model: nothing to write.
mkdir Tiny; cp "$FIXTURES/msmodelslim/ms-llama-w8a8-static-safe/tokenizer.json" Tiny
echo '{"architectures": ["GemmaForCausalLM"], "model_type": "gemma", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16, "rms_norm_eps": 1e-6, "max_position_embeddings": 64, "vocab_size": 1024}' >Tiny/config.json
"$REPAQ" convert_hf_to_gguf Tiny --vocab-only; echo "exit $?"; ls Tiny
