# The options of formats.
"$REPAQ" help formats
