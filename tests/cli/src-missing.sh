# SRC does not exist.
"$REPAQ" convert nowhere out --to awq
