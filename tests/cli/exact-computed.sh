# What is computed is rounded: --exact says where nothing would be.
"$REPAQ" convert "$FIXTURES"/bitsandbytes/bnb-int8 DST --to gptq --exact
$MAKE static SRC
"$REPAQ" convert SRC DST --to msmodelslim --exact
