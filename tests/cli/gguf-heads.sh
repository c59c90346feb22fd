# Rows of q and k turn within their own heads, of which k has fewer: by way of GGUF as directly.
"$REPAQ" convert "$FIXTURES/meta/tiny-mp2" m.gguf --to gguf --type auto >/dev/null; echo "exit $?"
"$REPAQ" convert m.gguf by-gguf --to hf >/dev/null; echo "exit $?"
"$REPAQ" convert "$FIXTURES/meta/tiny-mp2" direct --to hf >/dev/null; echo "exit $?"
"$REPAQ" verify by-gguf direct | tail -2
