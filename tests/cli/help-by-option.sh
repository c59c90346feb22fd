# COMMAND --help is help COMMAND.
"$REPAQ" help convert >a && "$REPAQ" convert --help >b && "$REPAQ" convert SRC -h >c && cmp a b && cmp a c
