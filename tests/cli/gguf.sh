# A GGUF file without tensors is inspected; one that is cut off is refused.
printf "GGUF\003\000\000\000" >m.gguf; head -c 16 /dev/zero >>m.gguf; "$REPAQ" inspect m.gguf
head -c 20 m.gguf >n.gguf; "$REPAQ" inspect n.gguf; echo "exit $?"
