# A damaged entry leaves nothing behind.
cp -r "$FIXTURES/hf/tiny-float-sharded" src; "$REPAQ" bundle src m.zip >/dev/null; python3 -c 'b = bytearray(open("m.zip", "rb").read()); b[len(b) // 2] ^= 1; open("m.zip", "wb").write(b)'
"$REPAQ" unbundle m.zip out 2>/dev/null; code=$?; "$REPAQ" convert m.zip out --to hf 2>/dev/null; test $? = $code && ls -A; exit $code
