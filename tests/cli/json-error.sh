# An error is JSON on stdout and text on stderr.
$MAKE w8a16 src; "$REPAQ" convert src out --to awq --json
