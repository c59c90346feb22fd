# SRC under another name is never written to either.
$MAKE awq src; ln -s src link; "$REPAQ" convert link ./src --to gptq --force; code=$?; ls src; exit $code
