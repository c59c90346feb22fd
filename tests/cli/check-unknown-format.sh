# A format that no table is about is neither accepted nor refused.
cp -r "$FIXTURES/hf/tiny-float-sharded" m
chmod u+w m/config.json
sed -i "s/^{/{\"quantization_config\": {\"quant_method\": \"exl9\"},/" m/config.json
"$REPAQ" check m --for vllm
