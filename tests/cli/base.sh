# --base gives config.json and the side files that SRC lacks.
$MAKE msmodelslim src; rm src/config.json; mkdir base; cp "$FIXTURES"/awq/*/generation_config.json "$FIXTURES"/hf/tiny-float-sharded/*.json "$FIXTURES"/hf/tiny-float-sharded/*00001*.safetensors base
echo own >src/LICENSE; echo other >base/LICENSE
"$REPAQ" convert src out --to awq --base base; ls -A out; cat out/LICENSE; grep -c quantization_config out/config.json
