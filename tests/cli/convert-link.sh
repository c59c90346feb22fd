# A symbolic link to a checkpoint is read.
$MAKE awq src; ln -s src link; "$REPAQ" convert link out --to gptq >/dev/null && "$REPAQ" verify link out
