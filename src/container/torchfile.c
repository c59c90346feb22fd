#include "container/torchfile.h"

#include "base/checked.h"
#include "base/le.h"
#include "base/limits.h"
#include "container/pickle.h"
#include "container/statedict.h"
#include "container/zipfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file under way. */
struct torchfile {
    const struct file *file;
    uint32_t index;
    struct model *model;
    struct pickle pickle;
    struct statedict state;
    uint64_t *place; /* owned; [pickle.storage_count] bytes from the start of the file */
    bool swapped;    /* big-endian */
};

static enum status corrupt(const struct torchfile *torch, const char *part, const char *what, struct err *err)
{
    char where[700];
    (void)snprintf(where, sizeof where, "%.400s: %.200s", torch->file->path, part);
    return err_set(err, STATUS_CORRUPT, where, "%s", what);
}

/* Bytes of an element of a storage; one without a type counts bytes. */
static uint64_t unit_of(const struct pickle_storage *storage)
{
    return storage->dtype == DTYPE_NONE ? 1 : dtype_bits(storage->dtype) / 8;
}

/* --- tensors ------------------------------------------------------------------------------------------------------------------- */

/* Elements stand in the order of the shape; strides of dimensions of one element say nothing. */
static bool in_order(const struct pickle_tensor *from)
{
    uint64_t step = 1;
    for (unsigned d = from->rank; d-- > 0;) {
        if (from->dim[d] == 0)
            return true;
        if (from->dim[d] != 1 && from->dim[from->rank + d] != step)
            return false;
        step *= from->dim[d];
    }
    return true;
}

static enum status add_tensor(struct torchfile *torch, const struct statedict_entry *entry, struct err *err)
{
    const struct pickle_tensor *from = &torch->pickle.tensor[entry->tensor];
    const uint64_t bytes = dtype_bits(from->dtype) / 8;
    struct tensor tensor = {.name = entry->name, .shape = from->dim, .rank = from->rank, .dtype = from->dtype, .file = torch->index};
    uint64_t elements = 1, offset;
    bool fits = checked_mul(from->offset, bytes, &offset) && checked_add(torch->place[from->storage], offset, &tensor.offset);
    for (unsigned d = 0; d < from->rank; d++)
        fits = fits && checked_mul(elements, from->dim[d], &elements);
    if (!fits || !checked_mul(elements, bytes, &tensor.bytes))
        return corrupt(torch, entry->name, "found a size that overflows 64 bits", err);
    if (tensor.bytes == 0)
        tensor.offset = 0;
    const bool swap = torch->swapped && bytes > 1;
    if (in_order(from) && !swap)
        return model_add_tensor(torch->model, &tensor, NULL, err);
    const struct view view = {.stride = from->dim + from->rank, .swap = swap};
    return model_add_strided(torch->model, &tensor, &view, err);
}

static enum status add_tensors(struct torchfile *torch, struct err *err)
{
    const struct statedict *state = &torch->state;
    for (size_t i = 0; i < state->count; i++)
        TRY(add_tensor(torch, &state->entry[i], err));
    const char *name = torch->model->file[torch->index].name;
    if (state->beside != NULL)
        TRY(model_add_note(torch->model, err, "%.200s: the tensors of \"%.100s\" are read; those of \"%.100s\" and its like stay behind", name,
                           state->wrapper, state->beside));
    if (state->others > 0)
        TRY(model_add_note(torch->model, err, "%.200s: %zu values that are no tensors stay behind (first: %.200s)", name, state->others, state->other));
    return STATUS_OK;
}

/* --- zip ------------------------------------------------------------------------------------------------------------------------ */

/* The folder of data.pkl, with its slash. Several, and TorchScript's own members, are refused. */
static enum status find_top(const struct torchfile *torch, const struct zipfile *zip, struct slice *top, struct err *err)
{
    size_t found = 0;
    for (size_t i = 0; i < zip->count; i++) {
        const struct slice name = slice_of(zip->entry[i].name);
        const char *slash = strchr(name.data, '/');
        if (slash == NULL)
            continue;
        if (strcmp(slash, "/data.pkl") == 0) {
            *top = (struct slice){name.data, (size_t)(slash + 1 - name.data)};
            found++;
        }
        if (strcmp(slash, "/constants.pkl") == 0 || strncmp(slash, "/code/", 6) == 0) {
            (void)err_set(err, STATUS_UNSUPPORTED, torch->file->path, "found a TorchScript program, expected a state dict");
            return err_try(err, "load it with torch.jit.load, and torch.save(model.state_dict(), FILE)");
        }
    }
    if (found == 1)
        return STATUS_OK;
    return err_set(err, found == 0 ? STATUS_UNSUPPORTED : STATUS_CORRUPT, torch->file->path,
                   found == 0 ? "found a zip archive without TOP/data.pkl, which is none of torch.save's" : "found several data.pkl, expected one");
}

static uint32_t find_member(const struct zipfile *zip, struct slice top, const char *folder, const char *name)
{
    char path[1200];
    const int size = snprintf(path, sizeof path, "%.*s%s%s", top.size < 1000 ? (int)top.size : 1000, top.data, folder, name);
    return size < 0 || (size_t)size >= sizeof path ? MAP_NONE : zipfile_find(zip, path);
}

static enum status read_byteorder(struct torchfile *torch, const struct zipfile *zip, struct slice top, struct err *err)
{
    const uint32_t entry = find_member(zip, top, "", "byteorder");
    struct text text = {0};
    if (entry == MAP_NONE)
        return STATUS_OK;
    enum status status = zipfile_slurp(zip, entry, 64, &text, err);
    const struct slice order = {text.data, text.size};
    if (status == STATUS_OK && !slice_is(order, "little") && !slice_is(order, "big"))
        status = corrupt(torch, "byteorder", "found something else than \"little\" or \"big\"", err);
    torch->swapped = status == STATUS_OK && slice_is(order, "big");
    text_free(&text);
    return status;
}

/* The entry of a storage, of the size that data.pkl states; MAP_NONE: no tensor of it is read. */
static enum status find_storage(const struct torchfile *torch, const struct zipfile *zip, struct slice top, size_t s, uint32_t *entry, struct err *err)
{
    const struct pickle_storage *storage = &torch->pickle.storage[s];
    uint64_t bytes;
    *entry = MAP_NONE;
    if (storage->refused != NULL)
        return STATUS_OK;
    *entry = find_member(zip, top, "data/", storage->key);
    if (*entry == MAP_NONE)
        return corrupt(torch, storage->key, "found no data of this storage, expected data/KEY", err);
    if (!checked_mul(storage->elements, unit_of(storage), &bytes) || bytes != zip->entry[*entry].bytes)
        return corrupt(torch, zip->entry[*entry].name, "found another size than that of the storage in data.pkl", err);
    return STATUS_OK;
}

static enum status place_member(struct torchfile *torch, const struct zipfile *zip, struct slice top, size_t s, struct err *err)
{
    uint32_t entry;
    TRY(find_storage(torch, zip, top, s, &entry, err));
    if (entry == MAP_NONE)
        return STATUS_OK;
    if (zip->entry[entry].method != ZIPFILE_STORED) {
        char where[700];
        (void)snprintf(where, sizeof where, "%.400s: %.200s", torch->file->path, zip->entry[entry].name);
        (void)err_set(err, STATUS_UNSUPPORTED, where, "found a compressed storage, expected a stored one");
        return err_try(err, "pack the archive again with stored entries (zip -0)");
    }
    torch->place[s] = zip->entry[entry].offset;
    return STATUS_OK;
}

/* The pickle of the archive, in the folder *top. */
static enum status read_state(struct torchfile *torch, const struct zipfile *zip, struct slice *top, struct text *text, struct err *err)
{
    TRY(find_top(torch, zip, top, err));
    TRY(read_byteorder(torch, zip, *top, err));
    const uint32_t entry = find_member(zip, *top, "", "data.pkl");
    if (entry == MAP_NONE)
        return corrupt(torch, "data.pkl", "found a folder with a name that is too long", err);
    TRY(zipfile_slurp(zip, entry, LIMIT_PICKLE_BYTES_MAX, text, err));
    TRY(pickle_read(&torch->pickle, torch->file->path, (struct slice){text->data, text->size}, NULL, err));
    return statedict_find(&torch->state, &torch->pickle, err);
}

static enum status read_members(struct torchfile *torch, const struct zipfile *zip, struct text *text, struct err *err)
{
    struct slice top = {0};
    uint32_t entry;
    TRY(read_state(torch, zip, &top, text, err));
    torch->place = mem_alloc(torch->pickle.storage_count + 1, sizeof *torch->place, err);
    if (torch->place == NULL)
        return STATUS_LIMIT;
    for (size_t s = 0; s < torch->pickle.storage_count; s++) /* a wrong size says more than a compressed entry */
        TRY(find_storage(torch, zip, top, s, &entry, err));
    for (size_t s = 0; s < torch->pickle.storage_count; s++)
        TRY(place_member(torch, zip, top, s, err));
    return add_tensors(torch, err);
}

static enum status mark_wanted(struct torchfile *torch, const struct zipfile *zip, struct text *text, bool *wanted, struct err *err)
{
    struct slice top = {0};
    uint32_t entry;
    TRY(read_state(torch, zip, &top, text, err));
    memset(wanted, 0, zip->count * sizeof *wanted);
    for (size_t s = 0; s < torch->pickle.storage_count; s++) {
        TRY(find_storage(torch, zip, top, s, &entry, err));
        if (entry != MAP_NONE)
            wanted[entry] = true;
    }
    wanted[find_member(zip, top, "", "data.pkl")] = true; /* it was read */
    entry = find_member(zip, top, "", "byteorder");
    if (entry != MAP_NONE)
        wanted[entry] = true;
    return STATUS_OK;
}

enum status torchfile_wanted(const struct file *file, const struct zipfile *zip, bool *wanted, struct err *err)
{
    struct torchfile torch = {.file = file};
    struct text text = {0};
    const enum status status = mark_wanted(&torch, zip, &text, wanted, err);
    statedict_free(&torch.state);
    pickle_free(&torch.pickle);
    text_free(&text);
    return status;
}

static enum status read_zip(struct torchfile *torch, struct text *text, struct err *err)
{
    struct zipfile zip;
    enum status status = zipfile_open(&zip, torch->file, err);
    if (status == STATUS_OK)
        status = read_members(torch, &zip, text, err);
    zipfile_close(&zip);
    return status;
}

/* --- the older stream ------------------------------------------------------------------------------------------------------------ */

static const uint8_t MAGIC[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
static const char MAGIC_TEXT[] = "L119547037146038801333356L"; /* protocol 1 */

/* The first pickle is the number 0x1950a86a20f9469cfc6c, in protocol 1, 2 and 3, or 4 and 5 (in a frame). */
static bool is_stream(const uint8_t *head, size_t size)
{
    const bool protocol = size >= 32 && head[0] == 0x80;
    const size_t at = protocol && head[2] == 0x95 ? 11 : 2;
    return (protocol && memcmp(head + at, MAGIC, sizeof MAGIC) == 0) || (size >= 32 && memcmp(head, MAGIC_TEXT, sizeof MAGIC_TEXT - 1) == 0);
}

/* The pickle at byte *at of the file, into pickle and text; *at moves behind it. How long it is shows only when it is read: so a window grows until it fits. */
static enum status read_pickle(struct torchfile *torch, uint64_t *at, struct pickle *pickle, struct text *text, struct err *err)
{
    const uint64_t left = torch->file->bytes - *at;
    for (uint64_t window = 1 << 20;; window *= 4) {
        const uint64_t size = window < left ? window : left, most = size < LIMIT_PICKLE_BYTES_MAX ? size : LIMIT_PICKLE_BYTES_MAX;
        size_t used;
        text_free(text);
        text->data = mem_alloc(most + 1, 1, err);
        if (text->data == NULL)
            return STATUS_LIMIT;
        text->size = (size_t)most;
        TRY(file_read(torch->file, text->data, text->size, *at, err));
        pickle_free(pickle);
        const enum status status = pickle_read(pickle, torch->file->path, (struct slice){text->data, text->size}, &used, err);
        if (status == STATUS_OK)
            *at += used;
        if (status == STATUS_OK || !pickle->truncated || most == left || most == LIMIT_PICKLE_BYTES_MAX)
            return status;
    }
}

/* Data of the storages, in the order of the list of keys: a count of elements, and these. */
static enum status place_storages(struct torchfile *torch, const struct pickle *keys, uint64_t at, struct err *err)
{
    struct pickle_items items = {0};
    uint32_t item;
    size_t found = 0;
    if (keys->node[keys->root].kind != PICKLE_LIST)
        return corrupt(torch, "keys", "found no list of storage keys", err);
    while (picklenode_next(keys, keys->root, &items, &item)) {
        const uint32_t s = map_find(&torch->pickle.storage_by_key, picklenode_string(keys, item));
        uint8_t word[8];
        uint64_t bytes, end;
        if (s == MAP_NONE || torch->place[s] != 0)
            return corrupt(torch, "keys", "found a storage key twice, or one that no tensor names", err);
        const struct pickle_storage *storage = &torch->pickle.storage[s];
        if (torch->file->bytes - at < sizeof word)
            return corrupt(torch, storage->key, "truncated: found no size of the storage", err);
        TRY(file_read(torch->file, word, sizeof word, at, err));
        at += sizeof word;
        if (storage->refused != NULL)
            return corrupt(torch, storage->key, "found a storage of a kind whose size is not known", err);
        if (le_load64(word) != storage->elements)
            return corrupt(torch, storage->key, "found another number of elements than the pickle states", err);
        if (!checked_mul(storage->elements, unit_of(storage), &bytes) || !checked_add(at, bytes, &end) || end > torch->file->bytes)
            return corrupt(torch, storage->key, "truncated: found a storage that reaches beyond the end of the file", err);
        torch->place[s] = at;
        at = end;
        found++;
    }
    if (found != torch->pickle.storage_count)
        return corrupt(torch, "keys", "found storages that the list of keys does not name", err);
    return at == torch->file->bytes ? STATUS_OK : corrupt(torch, "end", "found bytes after the last storage, expected none", err);
}

static enum status read_stream(struct torchfile *torch, struct text *text, struct err *err)
{
    struct pickle other = {0};
    struct text other_text = {0};
    uint64_t at = 0;
    enum status status = STATUS_OK;
    for (int i = 0; i < 3 && status == STATUS_OK; i++) { /* magic, 1001, sys_info: nothing of them is of use */
        status = read_pickle(torch, &at, &other, &other_text, err);
        const struct pickle_node *root = status == STATUS_OK ? &other.node[other.root] : NULL;
        if (root != NULL && i == 1 && (root->kind != PICKLE_INT || root->value != 1001))
            status = corrupt(torch, "protocol", "found another protocol version than 1001", err);
    }
    if (status == STATUS_OK)
        status = read_pickle(torch, &at, &torch->pickle, text, err);
    if (status == STATUS_OK)
        status = statedict_find(&torch->state, &torch->pickle, err);
    if (status == STATUS_OK)
        status = read_pickle(torch, &at, &other, &other_text, err);
    torch->place = status == STATUS_OK ? mem_alloc(torch->pickle.storage_count + 1, sizeof *torch->place, err) : NULL;
    if (status == STATUS_OK)
        status = torch->place == NULL ? STATUS_LIMIT : place_storages(torch, &other, at, err);
    pickle_free(&other);
    text_free(&other_text);
    return status == STATUS_OK ? add_tensors(torch, err) : status;
}

/* --- the file -------------------------------------------------------------------------------------------------------------------- */

static bool is_tar(const uint8_t *head, size_t size)
{
    return size >= 262 && memcmp(head + 257, "ustar", 5) == 0;
}

bool torchfile_probe(const void *head, size_t head_bytes)
{
    return zipfile_probe(head, head_bytes) || is_stream(head, head_bytes) || is_tar(head, head_bytes);
}

enum status torchfile_read(const struct file *file, uint32_t file_index, struct model *model, struct err *err)
{
    struct torchfile torch = {.file = file, .index = file_index, .model = model};
    struct text text = {0};
    uint8_t head[TORCHFILE_HEAD_BYTES] = {0};
    const size_t size = file->bytes < sizeof head ? (size_t)file->bytes : sizeof head;
    TRY(file_read(file, head, size, 0, err));
    enum status status;
    if (is_stream(head, size)) {
        status = read_stream(&torch, &text, err);
    } else if (is_tar(head, size)) {
        (void)err_set(err, STATUS_UNSUPPORTED, file->path, "found a tar of torch before 0.1.10 (2017), which is not read");
        status = err_try(err, "load and save it with torch 1.x");
    } else {
        status = read_zip(&torch, &text, err);
    }
    free(torch.place);
    statedict_free(&torch.state);
    pickle_free(&torch.pickle);
    text_free(&text);
    return status;
}
