# --exact counts rounded scales as differences.
$MAKE msmodelslim a rounded; $MAKE awq b rounded; "$REPAQ" verify --exact a b
