# REPAQ_THREADS and REPAQ_MEMORY do not change the bytes.
$MAKE awq src; REPAQ_THREADS=1 REPAQ_MEMORY=64MiB "$REPAQ" convert src a --to gptq >/dev/null; REPAQ_THREADS=8 "$REPAQ" convert src b --to gptq >/dev/null; diff -r a b
