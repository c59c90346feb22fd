# Usage.
"$REPAQ" convert
