# --base names a directory.
$MAKE msmodelslim src; "$REPAQ" convert src out --to awq --base nowhere
