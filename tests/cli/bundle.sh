# There and back, byte for byte; the archive is a SRC, and its bytes are the same every time.
cp -r "$FIXTURES/hf/tiny-float-sharded" src; mkdir src/sub; echo note >src/sub/note.txt
"$REPAQ" bundle src m.zip | cut -d, -f1; "$REPAQ" bundle src n.zip >/dev/null; cmp m.zip n.zip; "$REPAQ" unbundle m.zip back | cut -d, -f1; diff -r src back && echo equal
"$REPAQ" inspect m.zip | head -3; "$REPAQ" convert m.zip out --to hf --verify >/dev/null && "$REPAQ" verify out src; cat out/sub/note.txt; ls -A
