# Control bytes of a hostile name do not reach the terminal.
mkdir src; printf '{"\033[31mred": "W4A16"}' >src/quant_model_description.json; $MAKE awq a; cp a/model.safetensors src; "$REPAQ" inspect src; code=$?; "$REPAQ" inspect src 2>&1 | grep -c "$(printf '\033')"; exit $code
