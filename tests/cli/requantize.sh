# Codes that the target cannot hold are rounded anew where --allow-requantize says so, and only there.
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w8a16-chan-asym-zeros-asc out --to awq --group-size 32; code=$?
"$REPAQ" convert "$FIXTURES"/msmodelslim/edge-w8a16-chan-asym-zeros-asc out --to awq --group-size 32 --allow-requantize --verify | sed '/^time/d'; ls out; exit $code
