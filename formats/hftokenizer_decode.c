/* Decoders of a tokenizer.json, for one token (huggingface/tokenizers:tokenizers/src/decoders). */
#include "formats/hftokenizer.h"

#include "tokenizer/bytelevel.h"

#include <string.h>

enum { DECODERS_MAX = 64 };

static bool is_type(const struct jsondoc *doc, const char *type)
{
    const char *const found = jsondoc_string(jsondoc_get(doc, "type"));
    return found != NULL && strcmp(found, type) == 0;
}

static void replace(struct slice now, struct slice pattern, struct slice content, struct text *to)
{
    for (size_t at = 0; at < now.size;) {
        const bool found = pattern.size > 0 && pattern.size <= now.size - at && memcmp(now.data + at, pattern.data, pattern.size) == 0;
        text_add(to, found ? content.data : now.data + at, found ? content.size : 1);
        at += found ? pattern.size : 1;
    }
}

/* <0x0A> is a byte; one that is no text by itself becomes U+FFFD. */
static void byte_fallback(struct slice now, struct text *to)
{
    static const char digits[] = "0123456789ABCDEFabcdef";
    const bool byte = now.size == 6 && memcmp(now.data, "<0x", 3) == 0 && now.data[5] == '>' && now.data[3] != '\0' && now.data[4] != '\0' &&
                      strchr(digits, now.data[3]) != NULL && strchr(digits, now.data[4]) != NULL;
    unsigned value = 0;
    for (size_t i = 3; byte && i < 5; i++) {
        const unsigned digit = (unsigned)(strchr(digits, now.data[i]) - digits);
        value = value * 16 + (digit < 16 ? digit : digit - 6);
    }
    if (!byte)
        text_add(to, now.data, now.size);
    else if (value < 128)
        text_add(to, &(char){(char)value}, 1);
    else
        text_string(to, "\xef\xbf\xbd");
}

static void strip(const struct jsondoc *doc, struct slice now, struct text *to)
{
    const struct slice content = slice_of(jsondoc_string(jsondoc_get(doc, "content")));
    int64_t start = 0, stop = 0;
    (void)jsondoc_int(jsondoc_get(doc, "start"), &start);
    (void)jsondoc_int(jsondoc_get(doc, "stop"), &stop);
    if (content.size == 0)
        start = stop = 0;
    for (; start > 0 && now.size >= content.size && memcmp(now.data, content.data, content.size) == 0; start--)
        now = (struct slice){now.data + content.size, now.size - content.size};
    for (; stop > 0 && now.size >= content.size && memcmp(now.data + now.size - content.size, content.data, content.size) == 0; stop--)
        now.size -= content.size;
    text_add(to, now.data, now.size);
}

static enum status run(const struct hftokenizer *tokenizer, const struct jsondoc *doc, struct slice now, struct text *to, struct err *err)
{
    if (is_type(doc, "ByteLevel")) {
        if (!bytelevel_decode(now, to))
            text_add(to, now.data, now.size);
    } else if (is_type(doc, "Replace") && jsondoc_string(jsondoc_get(jsondoc_get(doc, "pattern"), "String")) != NULL) {
        replace(now, slice_of(jsondoc_string(jsondoc_get(jsondoc_get(doc, "pattern"), "String"))), slice_of(jsondoc_string(jsondoc_get(doc, "content"))),
                to);
    } else if (is_type(doc, "ByteFallback")) {
        byte_fallback(now, to);
    } else if (is_type(doc, "Strip")) {
        strip(doc, now, to);
    } else if (is_type(doc, "Fuse")) {
        text_add(to, now.data, now.size);
    } else {
        const char *const type = jsondoc_string(jsondoc_get(doc, "type"));
        return err_set(err, STATUS_UNSUPPORTED, tokenizer->where, "found the decoder \"%.100s\", which cannot be followed", type == NULL ? "" : type);
    }
    return text_check(to, err);
}

enum status hftokenizer_decode(struct hftokenizer *tokenizer, struct slice token, struct slice *decoded, struct err *err)
{
    const bool sequence = is_type(tokenizer->decoder, "Sequence");
    const struct jsondoc *doc = sequence ? jsondoc_first(jsondoc_get(tokenizer->decoder, "decoders")) : tokenizer->decoder;
    enum status status = STATUS_OK;
    *decoded = token;
    for (unsigned i = 0; doc != NULL && status == STATUS_OK; doc = sequence ? jsondoc_next(doc) : NULL, i++) {
        struct text to = {0};
        if (i == DECODERS_MAX)
            return err_set(err, STATUS_LIMIT, tokenizer->where, "found more than %d decoders", DECODERS_MAX);
        status = run(tokenizer, doc, *decoded, &to, err);
        const char *const copy = status == STATUS_OK ? arena_copy(&tokenizer->arena, to.data == NULL ? "" : to.data, to.size, err) : NULL;
        if (status == STATUS_OK && copy == NULL)
            status = STATUS_LIMIT;
        *decoded = (struct slice){copy, to.size};
        text_free(&to);
    }
    return status;
}
