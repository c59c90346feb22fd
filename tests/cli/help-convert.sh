# The options of convert.
"$REPAQ" help convert
