# A set of shards is written with --max-shard-size, and read by the name of any of its files or of their folder; what comes back is the file it was made of.
G="$FIXTURES/gguf/gqa2-3/gqa2-3.gguf"
"$REPAQ" convert "$G" set/ --to gguf --max-shard-size 1KB >/dev/null; ls set | wc -l; rm -r set; mkdir set
"$REPAQ" convert "$G" set/gqa.gguf --to gguf --max-shard-size 16KB --verify | grep -v ^time; ls set
"$REPAQ" convert set/gqa-00002-of-00003.gguf one.gguf --to gguf >/dev/null; cmp one.gguf "$G" && echo "the same file"
"$REPAQ" inspect set | tail -3; "$REPAQ" verify set "$G" --exact
"$REPAQ" convert "$G" set/gqa.gguf --to gguf --max-shard-size 16KB; echo "exit $?"
"$REPAQ" convert "$G" set/gqa.gguf --to gguf --max-shard-size 16KB --force | sed -n 2p
"$REPAQ" convert set/gqa-00001-of-00003.gguf set/gqa.gguf --to gguf --max-shard-size 16KB --force; echo "exit $?"
rm set/gqa-00003-of-00003.gguf
"$REPAQ" convert set back --to hf; echo "exit $?"; ls
