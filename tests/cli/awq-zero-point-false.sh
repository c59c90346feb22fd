# zero_point: false beside zeros that are not all 8: check and convert say so alike, and --from awq takes them as they are.
$MAKE gptq_v2 v2 asym
"$REPAQ" convert v2 src --to awq > /dev/null 2>&1
sed 's/"zero_point": true/"zero_point": false/' src/config.json > config.json && mv config.json src/config.json
"$REPAQ" check src --for vllm | grep E7
"$REPAQ" convert src out --to gptq_v2; echo $?
"$REPAQ" convert src out --to gptq_v2 --from awq | grep tensors
"$REPAQ" verify v2 out; echo $?
