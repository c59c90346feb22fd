# Both layouts of msModelSlim, and its description.
for layout in packed unpacked; do
  "$REPAQ" convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym $layout --to msmodelslim --layout $layout --verify | sed '/^time/d'
  ls $layout; head -n 8 $layout/quant_model_description*.json
done
"$REPAQ" verify packed unpacked
