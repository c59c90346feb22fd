# --dry-run refuses what the conversion would refuse.
$MAKE w8a16 src; "$REPAQ" convert src out --to awq --dry-run
