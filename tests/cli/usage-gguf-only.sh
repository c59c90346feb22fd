# What only GGUF files have is refused with another target.
for option in '--pre llama-bpe' '--model-name x' '--metadata x.json' '--type Q8_0' '--pure' '--imatrix x'; do
    "$REPAQ" convert "$FIXTURES"/gptq/synth-v1-field-15-on-top out --to awq $option; echo "exit $?"
done
"$REPAQ" convert "$FIXTURES"/gptq/synth-v1-field-15-on-top out --to awq --exclude .; echo "exit $?"
"$REPAQ" convert_llama_weights_to_hf --input_dir "$FIXTURES"/meta/tiny-mp2 --output_dir out --num_shards 0; echo "exit $?"; ls
