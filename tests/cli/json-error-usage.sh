# A usage error too.
"$REPAQ" verify --json nowhere
