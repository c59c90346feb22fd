# A header that cannot be parsed is exit 4.
mkdir m
printf "\010\000\000\000\000\000\000\000{\"a\": 1," > m/model.safetensors
"$REPAQ" check m --for vllm
