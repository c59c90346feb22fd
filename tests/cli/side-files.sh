# Files that are no weights travel; stale ones of the source format do not.
$MAKE gptq src
echo text >src/README.md; echo text >src/modeling_x.py; mkdir src/sub; echo text >src/sub/chat.jinja; echo '{}' >src/quant_model_description.json.bak
echo stale >src/repaq-manifest.json; echo '{"x": 1}' >src/generation_config.json
"$REPAQ" convert src out --to awq; find out -type f | LC_ALL=C sort
