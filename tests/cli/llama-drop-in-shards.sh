# The size of the model says how many files there must be.
cp -r "$FIXTURES/meta/tiny-mp2" in; "$REPAQ" convert_llama_weights_to_hf --input_dir in --model_size 7B --output_dir out; code=$?; ls -A; exit $code
