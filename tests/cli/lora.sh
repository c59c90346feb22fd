# A LoRA adapter.
mkdir src; echo "{}" >src/adapter_config.json; $MAKE awq a; cp a/model.safetensors src/adapter_model.safetensors; "$REPAQ" convert src out --to awq
