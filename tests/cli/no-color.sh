# NO_COLOR: no escape anywhere.
$MAKE awq src; NO_COLOR=1 TERM=xterm "$REPAQ" convert src out --to gptq --progress always >all 2>&1; NO_COLOR=1 "$REPAQ" fly >>all 2>&1; grep -c "$(printf '\033')" all || true
