# Hidden names stay behind, and that is said.
cp -r "$FIXTURES/hf/tiny-float-sharded" src; echo x >src/.hidden; "$REPAQ" bundle src m.zip >/dev/null
