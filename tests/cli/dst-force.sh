# --force replaces the whole of DST.
$MAKE awq src; mkdir out; touch out/mine; "$REPAQ" convert src out --to gptq --force >/dev/null; ls -A . out
