# A file that may not grow, as on a full disk, is an error of writing: nothing is left, and what was there stays.
mkdir old.dir; echo old > old.dir/x; echo old > old.gguf
ulimit -f 40
run() { "$REPAQ" "$@" > /dev/null 2> error; echo "exit $?: $(grep '^repaq: error' error)"; rm error; ls -A; }
run convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym out --to awq
run convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym old.dir --to awq --force
run convert "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym out.gguf --to gguf
run bundle "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym out.zip
run convert_hf_to_gguf "$FIXTURES"/gptq/gptq-qwen2-4bit-g128-sym --outfile old.gguf
cat old.dir/x old.gguf
