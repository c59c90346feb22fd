# The options of bundle.
"$REPAQ" help bundle
