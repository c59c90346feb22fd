# One code differs.
$MAKE awq a; $MAKE gptq b flip; "$REPAQ" verify a b
