# What v1 zero points cannot hold is a condition.
"$REPAQ" formats --from awq --to gptq
