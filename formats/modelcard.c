#include "formats/modelcard.h"

#include "base/limits.h"

#include <string.h>

enum { MEMBERS_MAX = 1000, ITEMS_MAX = 10000, SCALAR_BYTES_MAX = 4096 };

/* One member while its lines come. */
struct member {
    char name[128];
    struct slice value;   /* behind the colon */
    struct jsondoc *list; /* holds the items below it; NULL: none yet */
    struct jsondoc *items;
    bool strange;         /* of a form that is not read */
};

struct card {
    struct jsondoc *object;
    struct text *unread;
    struct member member; /* name "": none is open */
    size_t members, items;
};

static struct slice trim(struct slice text)
{
    while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1]) != NULL)
        text.size--;
    while (text.size > 0 && strchr(" \t\r", text.data[0]) != NULL)
        text = (struct slice){text.data + 1, text.size - 1};
    return text;
}

/* A plain or quoted scalar into buffer; false if it is of another form. An empty one is "". */
static bool take_scalar(struct slice text, char buffer[SCALAR_BYTES_MAX])
{
    text = trim(text);
    const char quote = text.size > 0 && strchr("'\"", text.data[0]) != NULL ? text.data[0] : '\0';
    if (quote != '\0') {
        const char *end = memchr(text.data + 1, quote, text.size - 1);
        const struct slice rest = end == NULL ? text : trim((struct slice){end + 1, text.size - (size_t)(end + 1 - text.data)});
        if (end == NULL || (rest.size > 0 && rest.data[0] != '#'))
            return false;
        text = (struct slice){text.data + 1, (size_t)(end - text.data) - 1};
        if (memchr(text.data, '\\', text.size) != NULL)
            return false;
    } else {
        for (size_t i = 0; i < text.size; i++) /* a comment ends it, ": " would make it a mapping */
            if (i > 0 && text.data[i] == '#' && strchr(" \t", text.data[i - 1]) != NULL)
                text.size = i - 1;
        text = trim(text);
        if (text.size > 0 &&
            (strchr("|>&*!%@`[]{},", text.data[0]) != NULL || text.data[text.size - 1] == ':' || memmem(text.data, text.size, ": ", 2) != NULL))
            return false;
    }
    if (text.size >= SCALAR_BYTES_MAX || memchr(text.data, '\0', text.size) != NULL)
        return false;
    memcpy(buffer, text.data, text.size);
    buffer[text.size] = '\0';
    return true;
}

/* "[a, 'b']"; commas within quotes are not read. */
static bool take_flow(struct jsondoc *list, struct slice text)
{
    char buffer[SCALAR_BYTES_MAX];
    text = trim(text);
    if (text.size < 2 || text.data[text.size - 1] != ']')
        return false;
    text = (struct slice){text.data + 1, text.size - 2};
    while (trim(text).size > 0) {
        const char *comma = memchr(text.data, ',', text.size);
        const struct slice item = {text.data, comma == NULL ? text.size : (size_t)(comma - text.data)};
        if (!take_scalar(item, buffer))
            return false;
        jsondoc_add_string(list, NULL, buffer);
        text = comma == NULL ? (struct slice){text.data + text.size, 0} : (struct slice){comma + 1, text.size - item.size - 1};
    }
    return true;
}

/* The open member is complete. */
static void close_member(struct card *card)
{
    struct member *member = &card->member;
    char buffer[SCALAR_BYTES_MAX];
    if (member->name[0] == '\0') { /* what stood before the first one belongs to none */
        jsondoc_free(member->list);
        *member = (struct member){0};
        return;
    }
    const struct slice value = trim(member->value);
    bool strange = member->strange || jsondoc_get(card->object, member->name) != NULL;
    if (!strange && member->list == NULL && value.size > 0 && value.data[0] == '[') {
        struct jsondoc *list = jsondoc_new_object();
        strange = !take_flow(jsondoc_add_array(list, "probe"), value);
        jsondoc_free(list);
        if (!strange)
            (void)take_flow(jsondoc_add_array(card->object, member->name), value);
    } else if (!strange && member->list == NULL) {
        strange = !take_scalar(value, buffer);
        if (!strange && (buffer[0] == '\0' || strcmp(buffer, "null") == 0 || strcmp(buffer, "~") == 0))
            jsondoc_add_null(card->object, member->name);
        else if (!strange)
            jsondoc_add_string(card->object, member->name, buffer);
    } else if (!strange) {
        struct jsondoc *list = jsondoc_add_array(card->object, member->name);
        for (const struct jsondoc *item = jsondoc_first(member->items); item != NULL; item = jsondoc_next(item))
            jsondoc_add_string(list, NULL, jsondoc_string(item));
    }
    if (strange)
        text_format(card->unread, "%s%s", card->unread->size > 0 ? ", " : "", member->name);
    jsondoc_free(member->list);
    *member = (struct member){0};
}

static void take_item(struct card *card, struct slice text)
{
    struct member *member = &card->member;
    char buffer[SCALAR_BYTES_MAX];
    if (member->list == NULL) {
        member->list = jsondoc_new_object();
        member->items = jsondoc_add_array(member->list, "items");
    }
    if (trim(member->value).size > 0 || ++card->items > ITEMS_MAX || !take_scalar(text, buffer))
        member->strange = true;
    else if (buffer[0] != '\0')
        jsondoc_add_string(member->items, NULL, buffer);
}

static enum status take_line(struct card *card, struct slice line, struct err *err)
{
    const struct slice text = trim(line);
    if (text.size == 0 || text.data[0] == '#')
        return STATUS_OK;
    if (text.data[0] == '-' && (text.size == 1 || text.data[1] == ' ')) {
        take_item(card, (struct slice){text.data + 1, text.size - 1});
        return STATUS_OK;
    }
    const char *colon = memchr(text.data, ':', text.size);
    const size_t size = colon == NULL ? 0 : (size_t)(colon - text.data);
    if (text.data != line.data || size == 0 || size >= sizeof card->member.name || memchr(text.data, '\0', size) != NULL ||
        (size + 1 < text.size && strchr(" \t", colon[1]) == NULL)) {
        card->member.strange = true; /* a line that goes on with the member, in a way that is not read */
        return STATUS_OK;
    }
    close_member(card);
    if (++card->members > MEMBERS_MAX)
        return err_set(err, STATUS_LIMIT, "README.md", "found more than %d members before its text", MEMBERS_MAX);
    memcpy(card->member.name, text.data, size);
    card->member.value = (struct slice){colon + 1, text.size - size - 1};
    return STATUS_OK;
}

/* The next line without its end; false at the end of the text. */
static bool next_line(struct slice *text, struct slice *line)
{
    if (text->size == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->size);
    const size_t size = end == NULL ? text->size : (size_t)(end - text->data);
    *line = (struct slice){text->data, size > 0 && text->data[size - 1] == '\r' ? size - 1 : size};
    *text = (struct slice){text->data + size + (end != NULL), text->size - size - (end != NULL)};
    return true;
}

enum status modelcard_parse(struct slice text, struct jsondoc **card, struct text *unread, struct err *err)
{
    struct card reading = {.unread = unread};
    struct slice line;
    enum status status = STATUS_OK;
    *card = NULL;
    if (!next_line(&text, &line) || !slice_is(line, "---"))
        return STATUS_OK;
    reading.object = jsondoc_new_object();
    if (reading.object == NULL)
        return err_set(err, STATUS_LIMIT, "README.md", "out of memory");
    while (status == STATUS_OK && next_line(&text, &line) && !slice_is(line, "---"))
        status = take_line(&reading, line, err);
    if (status == STATUS_OK)
        close_member(&reading);
    jsondoc_free(reading.member.list);
    *card = reading.object;
    if (status == STATUS_OK)
        return text_check(unread, err);
    jsondoc_free(*card);
    *card = NULL;
    return status;
}
