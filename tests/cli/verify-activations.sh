# What the other side does not store is computed again: a deq_scale, a quant_bias, an input scale or an input zero that is another is found.
$MAKE products a; "$REPAQ" convert a ct --to compressed-tensors --verify --exact | grep verified
"$REPAQ" convert ct back --to msmodelslim --layout unpacked --verify | grep verified
"$REPAQ" verify a ct | tail -1
for role in deq_scale quant_bias input_scale input_offset; do
    $MAKE products $role $role
    "$REPAQ" verify $role ct > found; echo "exit $?"; tail -2 found
    "$REPAQ" verify $role a | tail -2
    rm -rf no; "$REPAQ" convert $role no --to compressed-tensors --verify 2>&1 > /dev/null; ls -d no 2> /dev/null
    "$REPAQ" convert $role no --to compressed-tensors --force --exact 2>&1 > /dev/null
done
