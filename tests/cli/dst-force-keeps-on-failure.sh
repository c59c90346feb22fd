# A refused conversion leaves the old DST alone, also with --force.
$MAKE w8a16 src; mkdir out; touch out/mine; "$REPAQ" convert src out --to awq --force 2>/dev/null; code=$?; ls -A . out; exit $code
