# Slashes at the end of SRC and DST are ignored.
$MAKE awq src; "$REPAQ" convert src/ out// --to gptq >/dev/null; ls -A
