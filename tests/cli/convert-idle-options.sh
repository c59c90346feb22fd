# Options that cannot apply to this source or this target are usage errors, or a note where they do no harm.
$MAKE awq awq
$MAKE gguf file
for option in "--pre llama-bpe" "--model-name x" "--metadata x.json" "--gptq-zeros word-add"; do
    "$REPAQ" convert awq out --to gptq $option; echo $?
done
for option in "--pre llama-bpe" "--model-name x" "--metadata x.json"; do
    "$REPAQ" convert file/m.gguf out.gguf --to gguf $option; echo $?
done
"$REPAQ" verify awq awq --gptq-zeros word-add; echo $?
"$REPAQ" convert awq out --to gptq --weights-only; echo $?
"$REPAQ" verify awq out --gptq-zeros field-mod; echo $?
