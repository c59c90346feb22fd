# A wider container on request.
$MAKE msmodelslim src asym; "$REPAQ" convert src out --to gptq --bits 8 && grep bits out/quantize_config.json
