# What each format can hold.
"$REPAQ" formats
