/* The tensors of a written checkpoint directory, found without the library's readers. */
#ifndef REPAQ_TESTS_STORED_H
#define REPAQ_TESTS_STORED_H

#include "numbers.h"

#include <dirent.h>

/* The weight files of a directory in memory. */
struct stored_files {
    uint8_t *data[2];
    size_t size[2];
};

static inline uint8_t *slurp(const char *dir, const char *name, size_t *size)
{
    char path[1200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    NEED(fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1);
    NEED(data != NULL && fread(data, 1, *size, file) == *size && fclose(file) == 0);
    data[*size] = 0;
    return data;
}

/* The one or two weight files of a directory, by name. */
static inline void stored_open(struct stored_files *files, const char *dir)
{
    struct dirent **entry;
    const int count = scandir(dir, &entry, NULL, alphasort);
    size_t found = 0;
    *files = (struct stored_files){0};
    NEED(count >= 0);
    for (int i = 0; i < count; i++) {
        const size_t size = strlen(entry[i]->d_name), suffix = strlen(".safetensors");
        if (size > suffix && strcmp(entry[i]->d_name + size - suffix, ".safetensors") == 0) {
            NEED(found < 2);
            files->data[found] = slurp(dir, entry[i]->d_name, &files->size[found]);
            NEED(files->data[found] != NULL);
            found++;
        }
        free(entry[i]);
    }
    free(entry);
    NEED(found > 0);
}

static inline void stored_close(struct stored_files *files)
{
    free(files->data[0]);
    free(files->data[1]);
}

struct stored_tensor {
    const uint8_t *data; /* NULL: there is none */
    size_t bytes;
    uint64_t shape[2];
    unsigned rank;
    char dtype[8];
};

/* Finds NAME in a header as repaq and this file write them: compact JSON whose members are dtype, shape and data_offsets. */
static inline struct stored_tensor stored_find(const struct stored_files *files, const char *module, const char *suffix)
{
    struct stored_tensor tensor = {0};
    char key[160];
    (void)snprintf(key, sizeof key, "\"%s%s\":{", module, suffix);
    for (size_t f = 0; f < 2 && tensor.data == NULL; f++) {
        if (files->data[f] == NULL)
            continue;
        const size_t header = (size_t)word_at(files->data[f], 0);
        const char *text = (const char *)files->data[f] + 8, *at = memmem(text, header, key, strlen(key));
        unsigned long long from, to;
        if (at == NULL)
            continue;
        const char *shape = strstr(at, "\"shape\":["), *offsets = strstr(at, "\"data_offsets\":["), *dtype = strstr(at, "\"dtype\":\"");
        NEED(shape != NULL && offsets != NULL && dtype != NULL);
        NEED(sscanf(dtype, "\"dtype\":\"%7[^\"]", tensor.dtype) == 1);
        NEED(sscanf(offsets, "\"data_offsets\":[%llu,%llu]", &from, &to) == 2);
        unsigned long long a = 0, b = 0;
        const int read = sscanf(shape, "\"shape\":[%llu,%llu]", &a, &b);
        tensor.rank = read < 0 ? 0 : (unsigned)read;
        tensor.shape[0] = a;
        tensor.shape[1] = b;
        NEED(8 + header + to <= files->size[f] && from <= to);
        tensor.data = files->data[f] + 8 + header + from;
        tensor.bytes = (size_t)(to - from);
    }
    return tensor;
}

static inline enum real stored_real(const struct stored_tensor *tensor)
{
    NEED(strcmp(tensor->dtype, "F16") == 0 || strcmp(tensor->dtype, "BF16") == 0 || strcmp(tensor->dtype, "F32") == 0);
    return tensor->dtype[0] == 'B' ? REAL_BF16 : tensor->dtype[1] == '1' ? REAL_F16 : REAL_F32;
}

#endif
