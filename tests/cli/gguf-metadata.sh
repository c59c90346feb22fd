# --metadata is one JSON object; what is none is said, not passed over.
for text in '[]' '"name"' '{"general.name": "Tiny"}'; do
    echo "$text" >meta.json
    "$REPAQ" convert "$FIXTURES/meta/tiny-mp2" m.gguf --to gguf --metadata meta.json --force >/dev/null 2>said; echo "exit $?"
    grep -A1 meta.json said
    "$REPAQ" convert_hf_to_gguf "$FIXTURES/hf/tiny-float-sharded" --metadata meta.json --outfile n.gguf >/dev/null 2>said; echo "exit $?"
    grep -A1 meta.json said
done
grep -ac Tiny m.gguf
