# A FIFO is not opened.
mkfifo pipe; "$REPAQ" convert pipe out --to awq
