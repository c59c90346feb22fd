# Fixtures of what readers go wrong in: what becomes of each, by every target, and of ambiguous zeros by every rule.
try() {
    source=$1; shift
    rm -rf out
    "$REPAQ" convert "$FIXTURES/$source" out --verify "$@" > report 2> error
    echo "$source $*: exit $?, $(sed -n 's/^verified *//p' report)$(sed -n 's/^repaq: error: //p' error)"
}
for trap in awq/synth-zero-0 gptq/synth-v1-field-15-on-top gptq/synth-g-idx-unequal msmodelslim/synth-zero-16; do
    for to in awq gptq gptq_v2 compressed-tensors msmodelslim mlx hf; do try $trap --to $to; done
done
try msmodelslim/synth-zero-16 --to awq --allow-requantize
for trap in v1-field-15 v1-field-15-on-top v1-field-255; do
    try gptq/synth-$trap --to gptq_v2
    for rule in word-add field-mod no-mask; do try gptq/synth-$trap --to gptq_v2 --gptq-zeros $rule; done
done
for trap in nan-scale g-idx-permutation side-files-disagree; do try gptq/synth-$trap --to gptq_v2; try gptq/synth-$trap --to hf; done
