# A GGUF file is recognised and refused.
printf "GGUF\003\000\000\000" >m.gguf; head -c 100 /dev/zero >>m.gguf; "$REPAQ" inspect m.gguf
