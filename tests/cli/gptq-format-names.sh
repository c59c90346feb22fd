# The layout has two names in GPTQ configs: null is no name, and two names must agree.
cp -r "$FIXTURES/gptq_v2/gptqv2-qwen2-4bit-g64-asym" src
chmod -R u+w src
sed -i 's/"checkpoint_format": "gptq_v2"/"checkpoint_format": null/' src/config.json src/quantize_config.json
"$REPAQ" verify "$FIXTURES/gptq_v2/gptqv2-qwen2-4bit-g64-asym" src | sed 's|.*/||'
sed -i 's/"checkpoint_format": null/"checkpoint_format": "gptq"/' src/config.json src/quantize_config.json
"$REPAQ" inspect src
