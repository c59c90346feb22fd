# A size that no release has.
cp -r "$FIXTURES/meta/tiny-mp2" in; "$REPAQ" convert_llama_weights_to_hf --input_dir in --model_size 9B --output_dir out
