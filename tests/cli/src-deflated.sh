# Of a torch file that was packed again only what its tensors need is unpacked: the files that may be made here are much smaller than the rest.
$MAKE deflated sound more
$MAKE deflated large large
ulimit -f 2048
"$REPAQ" convert sound out --to hf --verify | grep '^tensors\|verified'
"$REPAQ" convert large out2 --to hf; echo "exit $?"
ls
