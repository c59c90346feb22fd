# The options of inspect.
"$REPAQ" help inspect
