# formats as JSON.
"$REPAQ" formats --json | python3 -c "import json, sys; json.load(sys.stdin); print('valid')"
