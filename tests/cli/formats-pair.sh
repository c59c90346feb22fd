# What a pair can exchange.
"$REPAQ" formats --from msmodelslim --to awq
