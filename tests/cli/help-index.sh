# The options of index.
"$REPAQ" help index
