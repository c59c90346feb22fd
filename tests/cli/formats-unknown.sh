# A format that does not exist.
"$REPAQ" formats --from awq --to exl9
