# --from needs --to.
"$REPAQ" formats --from awq
