# The options of unbundle.
"$REPAQ" help unbundle
