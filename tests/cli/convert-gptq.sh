# The config of GPTQ is the same object in two files.
$MAKE packed src; "$REPAQ" convert src out --to gptq
ls -A . out; cat out/config.json out/quantize_config.json
