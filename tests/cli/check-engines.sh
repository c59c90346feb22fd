# The tables.
"$REPAQ" check --engines
