# Symbolic links: a source is read through them, as downloads in caches are laid out; a destination below the source is refused however it is spelled.
mkdir -p blobs cache/snapshot; cp "$FIXTURES"/gptq/synth-v1-field-15-on-top/* blobs
for name in config.json quantize_config.json model.safetensors; do ln -s "../../blobs/$name" cache/snapshot/$name; done
ln -s cache/snapshot link
"$REPAQ" convert link out --to gptq_v2 --verify 2> /dev/null | grep verified
ls -l out | grep -c '^l'
for dst in link/out cache/snapshot/out ./cache/../cache/snapshot/out blobs/../link/out; do "$REPAQ" convert link "$dst" --to awq; echo "exit $?"; done
"$REPAQ" convert link link --to awq --force; echo "exit $?"
"$REPAQ" convert link blobs --to awq --force; echo "exit $?"
ln -s loop loop; "$REPAQ" convert loop out2 --to awq; echo "exit $?"
ln -s ../../blobs/none cache/snapshot/dangling.json; "$REPAQ" convert link out2 --to awq; echo "exit $?"; rm cache/snapshot/dangling.json
ln -sf ../../blobs/none cache/snapshot/model.safetensors; "$REPAQ" convert link out3 --to awq; echo "exit $?"
ln -s nowhere/deep dst; "$REPAQ" convert "$FIXTURES"/gptq/synth-v1-field-15-on-top dst --to awq; echo "exit $?"
find . -name '*staging*'; ls blobs
# What a source or its links lead to is never replaced, not even by --force.
cp -r "$FIXTURES"/gptq/synth-v1-field-15-on-top src; mkdir outer; cp -r src outer/inner; cp -r src base
try() { "$REPAQ" convert "$@" --force > /dev/null 2> error; echo "exit $?: $(grep '^repaq: error' error)"; }
try outer/inner outer --to awq
try src src/model.safetensors --to gguf --type auto
try src src/config.json --to gguf --type auto
try src base --to awq --base base
ln -s ../src/tokenizer.json base/tokenizer.json; echo '{}' > src/tokenizer.json; mkdir other; cp src/model.safetensors src/quantize_config.json src/config.json other
try other src --to awq --base base
"$REPAQ" bundle src inner.zip > /dev/null; mkdir held; mv inner.zip held
"$REPAQ" unbundle held/inner.zip held --force; echo "exit $?"
ln -s ../inner.bin src/inner.bin; echo x > inner.bin; "$REPAQ" bundle src inner.bin --force; echo "exit $?"
ls outer/inner src base held; cat inner.bin
# Nor is a special file: a device would be gone for everybody.
mkfifo fifo; try src fifo --to awq; try src fifo --to gguf --type auto
"$REPAQ" convert_hf_to_gguf "$FIXTURES"/hf/tiny-float-sharded --outfile fifo 2> error > log; echo "exit $?"; grep '^repaq: error' error
"$REPAQ" llama-quantize "$FIXTURES"/gguf/gqa2-3/gqa2-3.gguf fifo Q8_0 2> error > log; echo "exit $?"; grep '^repaq: error' error
test -p fifo && echo "still a fifo"
