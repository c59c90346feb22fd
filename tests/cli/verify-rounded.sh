# The narrower scale is the wider one rounded: equal.
$MAKE msmodelslim a rounded; $MAKE awq b rounded; "$REPAQ" verify a b
