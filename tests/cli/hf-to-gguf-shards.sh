# The converter's own shards, its vocabulary alone, and what does not go together.
cp -r "$FIXTURES/hf/tiny-float-sharded" Tiny-Chat-v2; mkdir out
"$REPAQ" convert_hf_to_gguf Tiny-Chat-v2 --outfile out/m.gguf --split-max-tensors 12 --no-tensor-first-split --verify 2>/dev/null | grep "^written\|^verified"
"$REPAQ" convert_hf_to_gguf Tiny-Chat-v2 --outfile out/s.gguf --split-max-size 16K 2>/dev/null | grep "^written"
cp "$FIXTURES"/msmodelslim/ms-llama-w8a8-static-safe/tokenizer* Tiny-Chat-v2
"$REPAQ" convert_hf_to_gguf Tiny-Chat-v2 --outfile out --vocab-only 2>/dev/null | grep -v ^time; ls out
for words in "--split-max-size 1T" "--split-max-tensors 1K" "--vocab-only --split-max-tensors 2"; do "$REPAQ" convert_hf_to_gguf Tiny-Chat-v2 --outfile x.gguf $words; echo "exit $?"; done
