# A directory without shards.
mkdir src; "$REPAQ" index src
