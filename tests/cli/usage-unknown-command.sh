# A command that does not exist.
"$REPAQ" fly
