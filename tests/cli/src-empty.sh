# A directory without weights.
mkdir src; "$REPAQ" convert src out --to awq
