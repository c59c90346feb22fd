/* tokenizer_probe ARCHITECTURE DIR [PRE | - [GGUF [NAME]]]: what repaq makes of a directory's tokenizer, as lines that tests/oracle/upstream_tokenizer.py reads, and
 * as a GGUF file without tensors.
 * tokenizer_probe rebuild GGUF DIR: the tokenizer files of a GGUF file, into an empty directory.
 * tokenizer_probe text: the text whose ids are hashed. */
#include "formats/gguf_vocabulary.h"
#include "formats/hfrebuild.h"
#include "formats/hfvocabulary.h"
#include "tokenizer/prename.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const struct err *err)
{
    char text[2048];
    (void)err_format(err, text, sizeof text);
    (void)fputs(text, stdout);
    return (int)err->status;
}

/* The pairs as a GGUF file without tensors, if a path is given. */
static enum status write_header(struct source *source, const struct vocabulary *vocabulary, const char *path, const char *name, struct err *err)
{
    struct ggufile_writer writer = {.bare = true};
    struct text header = {0};
    uint64_t bytes;
    if (path == NULL)
        return STATUS_OK;
    ggufile_write_string(&writer, "general.architecture", slice_of("llama"));
    if (name != NULL)
        ggufile_write_string(&writer, "general.name", slice_of(name));
    gguf_vocabulary_write(vocabulary, &source->arena, &writer);
    enum status status = ggufile_write_layout(&writer, NULL, 0, &header, &bytes, err);
    if (status == STATUS_OK)
        status = file_spill(&file_posix, path, header.data, header.size, err);
    text_free(&header);
    ggufile_write_free(&writer);
    return status;
}

static enum status put_file(const char *folder, const char *name, const struct text *text, struct err *err)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_spill(&file_posix, path, text->data, text->size, err);
}

static enum status rebuild_all(const struct vocabulary *vocabulary, struct arena *arena, const char *folder, struct text *text, struct err *err)
{
    TRY(hfrebuild_tokenizer(vocabulary, arena, text, err));
    TRY(put_file(folder, "tokenizer.json", text, err));
    text->size = 0;
    TRY(hfrebuild_config(vocabulary, (struct hfrebuild_options){.tokens_max = 2048}, text, err));
    TRY(put_file(folder, "tokenizer_config.json", text, err));
    text->size = 0;
    TRY(hfrebuild_special(vocabulary, text, err));
    TRY(put_file(folder, "special_tokens_map.json", text, err));
    text->size = 0;
    if (vocabulary->kind != VOCABULARY_LLAMA)
        return STATUS_OK;
    TRY(hfrebuild_model(vocabulary, arena, text, err));
    return put_file(folder, "tokenizer.model", text, err);
}

static enum status rebuild(const char *path, const char *folder, struct err *err)
{
    struct file file;
    struct ggufile gguf;
    struct arena arena = {0};
    struct text text = {0};
    struct vocabulary vocabulary;
    TRY(file_open_read(&file, &file_posix, path, err));
    enum status status = ggufile_read(&file, false, &gguf, err);
    file_drop(&file);
    if (status != STATUS_OK)
        return status;
    status = gguf_vocabulary_read(&gguf, &arena, &vocabulary, err);
    if (status == STATUS_OK)
        status = rebuild_all(&vocabulary, &arena, folder, &text, err);
    text_free(&text);
    arena_free(&arena);
    ggufile_free(&gguf);
    return status;
}

int main(int count, char **argument)
{
    struct source source = {0};
    struct err err = {0};
    struct vocabulary vocabulary;
    struct hfvocabulary_finding finding;
    int64_t tokens = 0;
    if (count == 2 && strcmp(argument[1], "text") == 0)
        return fwrite(prename_test_text().data, prename_test_text().size, 1, stdout) == 1 ? 0 : 3;
    if (count < 3)
        return 2;
    if (count == 4 && strcmp(argument[1], "rebuild") == 0)
        return rebuild(argument[2], argument[3], &err) == STATUS_OK ? 0 : fail(&err);
    if (source_open_plain(&source, &file_posix, argument[2], &err) != STATUS_OK)
        return fail(&err);
    (void)jsondoc_int(jsondoc_get(source.document, "vocab_size"), &tokens);
    const struct hfvocabulary_options options = {
        .architecture = argument[1], .pre = count > 3 && strcmp(argument[3], "-") != 0 ? argument[3] : NULL, .tokens = (uint64_t)tokens};
    const enum status status = hfvocabulary_read(&source, &options, &vocabulary, &finding, &err);
    if (status != STATUS_OK) {
        source_close(&source);
        return fail(&err);
    }
    (void)printf("hash %s\nby %s\npre %s\ntokens %u\nmerges %u\n", finding.hash, finding.by, vocabulary.pre, vocabulary.count, vocabulary.merge_count);
    for (uint32_t i = 0; i < vocabulary.setting_count; i++) {
        const struct vocabulary_setting *const setting = &vocabulary.setting[i];
        (void)printf("%s %u %d %zu\n", vocabulary_key_name(setting->key), setting->id, setting->flag, setting->text.size);
    }
    const enum status written = write_header(&source, &vocabulary, count > 4 ? argument[4] : NULL, count > 5 ? argument[5] : NULL, &err);
    source_close(&source);
    return written == STATUS_OK ? 0 : fail(&err);
}
