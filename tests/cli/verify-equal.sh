# Two formats with the same integers, zeros and scales.
$MAKE awq a asym; $MAKE gptq b asym; "$REPAQ" verify a b
