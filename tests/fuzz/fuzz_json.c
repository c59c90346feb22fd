/* The pull scanner, over any bytes: tokens lie inside the text, one after the other, and open and close in pairs. */
#include "container/json.h"
#include "harness.h"

#include <string.h>

static void take_string(const struct json *json, const struct json_token *token)
{
    struct arena arena = {0};
    struct err err = {0};
    const char *string;
    size_t size;
    const enum status status = json_string(json, token, &arena, &string, &size, &err);
    harness_check(status, &err);
    if (status == STATUS_OK) {
        struct text quoted = {0};
        if (strlen(string) != size || size > token->text.size)
            abort();
        json_quote(&quoted, (struct slice){string, size});
        struct json again = json_over("again", (struct slice){quoted.data, quoted.size});
        struct json_token back;
        const char *copy;
        size_t copy_size;
        if (json_next(&again, &back, &err) != STATUS_OK || back.kind != JSON_STRING || json_string(&again, &back, &arena, &copy, &copy_size, &err) != STATUS_OK ||
            copy_size != size || memcmp(copy, string, size) != 0)
            abort();
        text_free(&quoted);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json json = json_over("fuzz", (struct slice){(const char *)data, size});
    struct json_token token;
    struct err err = {0};
    size_t last = 0, depth = 0;
    for (;;) {
        const enum status status = json_next(&json, &token, &err);
        harness_check(status, &err);
        if (status != STATUS_OK || token.kind == JSON_END)
            break;
        if (token.at < last || token.at > size || token.text.size > size - token.at || token.text.size == 0)
            abort();
        last = token.at + 1;
        depth += token.kind == JSON_OBJECT || token.kind == JSON_ARRAY;
        if (token.kind == JSON_OBJECT_END || token.kind == JSON_ARRAY_END)
            if (depth-- == 0)
                abort();
        if (depth > LIMIT_JSON_DEPTH_MAX)
            abort();
        if (token.kind == JSON_STRING || token.kind == JSON_KEY)
            take_string(&json, &token);
    }
    return 0;
}
