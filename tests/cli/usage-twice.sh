# A value that is given twice is refused in repaq's own commands: nobody knows which one was meant. Flags may be repeated.
"$REPAQ" convert a b --to awq --to gptq; echo "exit $?"
"$REPAQ" convert a b --to awq --bits 4 --bits=4; echo "exit $?"
"$REPAQ" convert a b --to awq --keep x --exclude y --keep z; echo "exit $?"
"$REPAQ" verify a b --threads 1 --threads 2; echo "exit $?"
"$REPAQ" check a --for vllm --for sglang; echo "exit $?"
"$REPAQ" inspect "$FIXTURES"/gptq/synth-v1-field-15 --tensors --tensors | head -1
"$REPAQ" ms_to_vllm --model a --json b --w_bit 4 --w_bit 8; echo "exit $?"
