# GPTQ v1 with asymmetric zeros is written with a warning.
$MAKE msmodelslim src asym; "$REPAQ" convert src out --to gptq
