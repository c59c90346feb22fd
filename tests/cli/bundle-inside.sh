# The input is never written.
cp -r "$FIXTURES/hf/tiny-float-sharded" src; "$REPAQ" bundle src src/m.zip
