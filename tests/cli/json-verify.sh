# verify as JSON.
$MAKE awq a; $MAKE gptq b flip; "$REPAQ" verify a b --json
