# Every byte of config.json but the changed member survives.
$MAKE awq src
printf '{"b":1.0,   "a": 12345678901234567890, "quantization_config": {"bits":4,"group_size":32,"quant_method":"awq","version":"gemm","zero_point":true},\n\t"c" : "\\u00e9"}' >src/config.json
"$REPAQ" convert src out --to awq >/dev/null; cat out/config.json
