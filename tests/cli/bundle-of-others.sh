# A zip of another program has entries for directories; as a source it is the directory.
cp -r "$FIXTURES/awq/awq-qwen2-4bit-g128" m; mkdir -p m/sub/deep; echo x > m/sub/deep/y
python3 -c 'import pathlib, zipfile
with zipfile.ZipFile("m.zip", "w") as z:
    for path in sorted(pathlib.Path("m").rglob("*")):
        z.write(path, path.relative_to("m"))'
"$REPAQ" unbundle m.zip out >/dev/null && diff -r m out && "$REPAQ" convert m a.gguf --to gguf >/dev/null && "$REPAQ" convert m.zip b.gguf --to gguf >/dev/null && cmp a.gguf b.gguf && echo same
