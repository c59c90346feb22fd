# transformers' converter by its own name: bfloat16, no option of ours.
ln -s "$REPAQ" convert_llama_weights_to_hf.py; mkdir out; cp -r "$FIXTURES/meta/tiny-mp2" in; ./convert_llama_weights_to_hf.py --input_dir in --model_size 13B --output_dir out | head -3; ls out; "$REPAQ" verify in out | tail -1
