# What is there stays without --force, on both ways.
cp -r "$FIXTURES/hf/tiny-float-sharded" src; "$REPAQ" bundle src m.zip >/dev/null; "$REPAQ" bundle src m.zip; "$REPAQ" unbundle m.zip src; "$REPAQ" bundle src m.zip --force >/dev/null && "$REPAQ" unbundle m.zip src --force >/dev/null && ls -A
