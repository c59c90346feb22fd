# Cannot read.
"$REPAQ" inspect nowhere
