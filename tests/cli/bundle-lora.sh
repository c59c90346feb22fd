# An adapter is no model.
mkdir src; echo '{}' >src/adapter_config.json; echo x >src/adapter_model.safetensors; "$REPAQ" bundle src m.zip; code=$?; ls -A; exit $code
