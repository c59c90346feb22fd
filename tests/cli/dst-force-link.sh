# --force replaces a link, not what it points to.
$MAKE awq src; mkdir other; touch other/mine; ln -s other out; "$REPAQ" convert src out --to gptq --force >/dev/null; ls -A . other; test -L out || echo no link
