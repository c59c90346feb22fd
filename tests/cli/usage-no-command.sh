# Without a command: the help, and exit 2.
"$REPAQ" >out; code=$?; "$REPAQ" --help | cmp - out; exit $code
