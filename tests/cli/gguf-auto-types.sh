# auto keeps codes; what no block holds is refused and named, and single tensors get the type that is asked for.
"$REPAQ" convert "$FIXTURES/bitsandbytes/bnb-qwen2-nf4-double" nf4.gguf --to gguf; echo "exit $?"
"$REPAQ" convert "$FIXTURES/bitsandbytes/bnb-qwen2-nf4-double" nf4.gguf --to gguf --tensor-type 'blk=F32' --verify | grep '^type\|verified'
"$REPAQ" convert "$FIXTURES/bitsandbytes/bnb-qwen2-nf4-double" nf4.gguf --to gguf --allow-requantize --force --verify | grep '^type\|verified'
"$REPAQ" convert "$FIXTURES/fp8/fp8-block" fp8.gguf --to gguf; echo "exit $?"
"$REPAQ" convert "$FIXTURES/awq/awq-qwen2-4bit-g128" awq.gguf --to gguf --tensor-type 'ffn_down=Q6_K'; echo "exit $?"
"$REPAQ" convert "$FIXTURES/awq/awq-qwen2-4bit-g128" awq.gguf --to gguf --tensor-type 'ffn_down=Q6_K' --output-tensor-type f16 --allow-requantize --verify | grep '^type\|verified'
"$REPAQ" convert awq.gguf again.gguf --to gguf --token-embedding-type q8_0 --verify | grep '^type\|verified'
"$REPAQ" convert awq.gguf pure.gguf --to gguf --pure; echo "exit $?"
