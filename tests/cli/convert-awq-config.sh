# The quantization_config of AWQ lists every Linear that is left float.
$MAKE msmodelslim src; "$REPAQ" convert src out --to awq && cat out/config.json
