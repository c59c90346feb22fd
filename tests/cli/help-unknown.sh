# Help of what does not exist.
"$REPAQ" help fly
