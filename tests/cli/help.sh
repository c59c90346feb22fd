# The list of commands and exit codes.
"$REPAQ" --help
