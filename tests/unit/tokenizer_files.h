/* Directories with tokenizer files, for tests. */
#ifndef REPAQ_TESTS_TOKENIZER_FILES_H
#define REPAQ_TESTS_TOKENIZER_FILES_H

#include "formats/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A small byte-level BPE: 7 tokens, 2 merges, 2 added tokens; {PRE}, {POST} and {MODEL} are filled in by tokenizer_json. */
#define TOKENS_BYTES "\"!\": 0, \"a\": 1, \"b\": 2, \"\\u0120\": 3, \"ab\": 4, \"\\u0120a\": 5, \"1\": 6"
#define MERGES_BYTES "[\"a\", \"b\"], [\"\\u0120\", \"a\"]"
#define ADDED_BYTES \
    "{\"id\": 7, \"content\": \"<|end|>\", \"special\": true, \"normalized\": false}, {\"id\": 8, \"content\": \"<x>\", \"special\": false, \"normalized\": false}"
#define PRE_QWEN2 \
    "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": " \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, " \
    "\"behavior\": \"Isolated\", \"invert\": false}, {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]}"
#define POST_BYTES "{\"type\": \"ByteLevel\"}"
#define TOKENIZER_JSON(pre, post) \
    "{\"added_tokens\": [" ADDED_BYTES "], \"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": " pre ", \"post_processor\": " post \
    ", \"decoder\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {" TOKENS_BYTES "}, \"merges\": [" MERGES_BYTES "]}}"

static inline void put_text(const char *folder, const char *name, const char *text, size_t size)
{
    struct err err = {0};
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_spill(&file_posix, path, text, size, &err), STATUS_OK);
}

static inline void put_string_file(const char *folder, const char *name, const char *text)
{
    put_text(folder, name, text, strlen(text));
}

/* An empty directory. */
static inline void fresh(const char *folder)
{
    struct err err = {0};
    assert_int_equal(tree_remove(&file_posix, folder, &err), STATUS_OK);
    assert_int_equal(mkdir(folder, 0777), 0);
}

#endif
