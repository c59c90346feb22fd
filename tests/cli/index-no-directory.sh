# DIR must be a directory.
"$REPAQ" index nowhere
