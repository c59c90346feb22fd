# hf has no codes that --bits could be about.
"$REPAQ" convert "$FIXTURES"/hf/tiny-float-sharded out --to hf --bits 4; code=$?; ls; exit $code
