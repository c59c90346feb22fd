# The options of check.
"$REPAQ" check --help
