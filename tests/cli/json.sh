# Nothing but JSON on stdout under --json.
$MAKE awq src; "$REPAQ" convert src out --to gptq --json --progress always 2>/dev/null | python3 -c "import json, sys; document = json.load(sys.stdin); print(sorted(document))"
