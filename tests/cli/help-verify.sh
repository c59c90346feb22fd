# The options of verify.
"$REPAQ" help verify
