#include "container/torchcall.h"

#include "base/checked.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>

/* --- the list ------------------------------------------------------------------------------------------------------------------ */

enum meaning {
    MEANS_STORAGE,         /* a class of storages; arg: dtype of its elements */
    MEANS_REFUSED_STORAGE, /* reason: why its tensors are not read */
    MEANS_DTYPE,           /* arg: dtype */
    MEANS_TENSOR,          /* storage, offset, shape, strides, and more of no use but for the metadata at [6]: a function */
    MEANS_TENSOR_V3,       /* the same, dtype at [6], metadata at [7]: a function */
    MEANS_FIRST,           /* its first argument: a function */
    MEANS_FROM_TYPE,       /* (function, class, arguments, state): a function */
    MEANS_DICT,            /* collections.OrderedDict, called with nothing or with pairs */
    MEANS_OPAQUE,          /* harmless, of no use; called or not */
    MEANS_REFUSED,         /* a function that makes a tensor of a kind that is not read; reason */
};

static const struct known {
    const char *module, *name;
    enum meaning meaning;
    enum dtype dtype;
    const char *reason;
} list[] = {
#define STORAGE(name, dtype) \
    {"torch", name, MEANS_STORAGE, dtype, NULL}, \
    { \
        "torch.cuda", name, MEANS_STORAGE, dtype, NULL \
    }
    STORAGE("DoubleStorage", DTYPE_F64),
    STORAGE("FloatStorage", DTYPE_F32),
    STORAGE("HalfStorage", DTYPE_F16),
    STORAGE("BFloat16Storage", DTYPE_BF16),
    STORAGE("LongStorage", DTYPE_I64),
    STORAGE("IntStorage", DTYPE_I32),
    STORAGE("ShortStorage", DTYPE_I16),
    STORAGE("CharStorage", DTYPE_I8),
    STORAGE("ByteStorage", DTYPE_U8),
    STORAGE("BoolStorage", DTYPE_BOOL),
    STORAGE("ComplexFloatStorage", DTYPE_C64),
#undef STORAGE
    {"torch.storage", "UntypedStorage", MEANS_STORAGE, DTYPE_NONE, NULL},
    {"torch", "UntypedStorage", MEANS_STORAGE, DTYPE_NONE, NULL},
    {"torch", "ComplexDoubleStorage", MEANS_REFUSED_STORAGE, DTYPE_NONE, "complex numbers of 128 bits"},
    {"torch", "QInt8Storage", MEANS_REFUSED_STORAGE, DTYPE_NONE, "torch's own quantized integers (QInt8Storage)"},
    {"torch", "QUInt8Storage", MEANS_REFUSED_STORAGE, DTYPE_NONE, "torch's own quantized integers (QUInt8Storage)"},
    {"torch", "QInt32Storage", MEANS_REFUSED_STORAGE, DTYPE_NONE, "torch's own quantized integers (QInt32Storage)"},
    {"torch", "QUInt4x2Storage", MEANS_REFUSED_STORAGE, DTYPE_NONE, "torch's own quantized integers (QUInt4x2Storage)"},
    {"torch", "QUInt2x4Storage", MEANS_REFUSED_STORAGE, DTYPE_NONE, "torch's own quantized integers (QUInt2x4Storage)"},
    {"torch", "float64", MEANS_DTYPE, DTYPE_F64, NULL},
    {"torch", "float32", MEANS_DTYPE, DTYPE_F32, NULL},
    {"torch", "float16", MEANS_DTYPE, DTYPE_F16, NULL},
    {"torch", "bfloat16", MEANS_DTYPE, DTYPE_BF16, NULL},
    {"torch", "int64", MEANS_DTYPE, DTYPE_I64, NULL},
    {"torch", "int32", MEANS_DTYPE, DTYPE_I32, NULL},
    {"torch", "int16", MEANS_DTYPE, DTYPE_I16, NULL},
    {"torch", "int8", MEANS_DTYPE, DTYPE_I8, NULL},
    {"torch", "uint8", MEANS_DTYPE, DTYPE_U8, NULL},
    {"torch", "uint16", MEANS_DTYPE, DTYPE_U16, NULL},
    {"torch", "uint32", MEANS_DTYPE, DTYPE_U32, NULL},
    {"torch", "uint64", MEANS_DTYPE, DTYPE_U64, NULL},
    {"torch", "bool", MEANS_DTYPE, DTYPE_BOOL, NULL},
    {"torch", "complex64", MEANS_DTYPE, DTYPE_C64, NULL},
    {"torch", "float8_e4m3fn", MEANS_DTYPE, DTYPE_F8_E4M3, NULL},
    {"torch", "float8_e5m2", MEANS_DTYPE, DTYPE_F8_E5M2, NULL},
    {"torch", "float8_e4m3fnuz", MEANS_DTYPE, DTYPE_F8_E4M3FNUZ, NULL},
    {"torch", "float8_e5m2fnuz", MEANS_DTYPE, DTYPE_F8_E5M2FNUZ, NULL},
    {"torch", "float8_e8m0fnu", MEANS_DTYPE, DTYPE_F8_E8M0, NULL},
    {"torch._utils", "_rebuild_tensor_v2", MEANS_TENSOR, DTYPE_NONE, NULL},
    {"torch._utils", "_rebuild_tensor_v3", MEANS_TENSOR_V3, DTYPE_NONE, NULL},
    {"torch._utils", "_rebuild_tensor", MEANS_TENSOR, DTYPE_NONE, NULL},
    {"torch._utils", "_rebuild_parameter", MEANS_FIRST, DTYPE_NONE, NULL},
    {"torch._utils", "_rebuild_parameter_with_state", MEANS_FIRST, DTYPE_NONE, NULL},
    {"torch._tensor", "_rebuild_from_type_v2", MEANS_FROM_TYPE, DTYPE_NONE, NULL},
    {"torch._utils", "_rebuild_qtensor", MEANS_REFUSED, DTYPE_NONE, "torch's own quantized integers (_rebuild_qtensor)"},
    {"torch._utils", "_rebuild_sparse_tensor", MEANS_REFUSED, DTYPE_NONE, "a sparse tensor"},
    {"torch._utils", "_rebuild_nested_tensor", MEANS_REFUSED, DTYPE_NONE, "a nested tensor"},
    {"torch._utils", "_rebuild_wrapper_subclass", MEANS_REFUSED, DTYPE_NONE, "a tensor of a class of its own"},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", MEANS_REFUSED, DTYPE_NONE, "a tensor of another device, kept as a numpy array"},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", MEANS_REFUSED, DTYPE_NONE, "a tensor of another device"},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", MEANS_REFUSED, DTYPE_NONE, "a meta tensor, which has no data in any file"},
    {"collections", "OrderedDict", MEANS_DICT, DTYPE_NONE, NULL},
    {"collections", "Counter", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"builtins", "set", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"builtins", "frozenset", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"builtins", "bytearray", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"builtins", "complex", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"_codecs", "encode", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"torch", "Size", MEANS_FIRST, DTYPE_NONE, NULL},
    {"torch", "device", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"torch", "Tensor", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"torch.nn.parameter", "Parameter", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"torch.serialization", "_get_layout", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"torch", "per_tensor_affine", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"torch", "per_channel_affine", MEANS_OPAQUE, DTYPE_NONE, NULL},
    {"torch", "per_channel_affine_float_qparams", MEANS_OPAQUE, DTYPE_NONE, NULL},
};

/* Reasons that are no row's own. */
static const char *const reasons[] = {"a conjugated or negated view", "a storage without data (device meta)"};
enum { LIST_COUNT = sizeof list / sizeof list[0], REASON_LAZY = LIST_COUNT, REASON_META };

const char *torchcall_reason(const struct pickle *pickle, uint32_t node)
{
    const uint32_t reason = pickle->node[node].a;
    return reason < LIST_COUNT ? list[reason].reason : reasons[reason - LIST_COUNT];
}

enum status torchcall_find(const struct pickle *pickle, struct slice module, struct slice name, uint32_t *row, struct err *err)
{
    if (slice_is(module, "__builtin__")) /* names of Python 2, as protocol 2 writes them */
        module = slice_of("builtins");
    for (*row = 0; *row < LIST_COUNT; (*row)++)
        if (slice_is(module, list[*row].module) && slice_is(name, list[*row].name))
            return STATUS_OK;
    (void)err_set(err, STATUS_UNSUPPORTED, pickle->where,
                  "found the name %.*s.%.*s at pickle byte %zu, which no checkpoint of tensors needs (nothing is run)",
                  module.size < 200 ? (int)module.size : 200, module.data, name.size < 200 ? (int)name.size : 200, name.data, pickle->at);
    return err_try(err, "if you trust the file: load it with torch, and torch.save(model.state_dict(), FILE)");
}

/* --- storages ------------------------------------------------------------------------------------------------------------------ */

static bool is_key(struct slice key)
{
    if (key.size == 0 || key.size > 64 || slice_is(key, ".") || slice_is(key, ".."))
        return false;
    for (size_t i = 0; i < key.size; i++) {
        const char c = key.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-'))
            return false;
    }
    return true;
}

static bool is_count(const struct pickle *pickle, uint32_t node, uint64_t *count)
{
    if (node == UINT32_MAX || pickle->node[node].kind != PICKLE_INT || pickle->node[node].value < 0)
        return false;
    *count = (uint64_t)pickle->node[node].value;
    return true;
}

static enum status add_storage(struct pickle *pickle, struct slice key, const struct pickle_storage *storage, uint32_t *index, struct err *err)
{
    const uint32_t before = map_find(&pickle->storage_by_key, key);
    uint32_t existing;
    if (before != MAP_NONE) {
        const struct pickle_storage *first = &pickle->storage[before];
        *index = before;
        if (first->dtype == storage->dtype && first->elements == storage->elements)
            return STATUS_OK;
        return picklenode_corrupt(pickle, err, "found storage %s with two sizes or types, expected one", first->key);
    }
    TRY(mem_grow((void **)&pickle->storage, &pickle->storage_capacity, pickle->storage_count + 1, sizeof *storage, err));
    struct pickle_storage *added = &pickle->storage[pickle->storage_count];
    *added = *storage;
    added->key = arena_copy(&pickle->arena, key.data, key.size, err);
    if (added->key == NULL)
        return STATUS_LIMIT;
    *index = (uint32_t)pickle->storage_count++;
    return map_add(&pickle->storage_by_key, slice_of(added->key), *index, &existing, err);
}

/* (view key, offset, elements): only that part of the storage is meant. */
static enum status take_part(const struct pickle *pickle, uint32_t view, struct pickle_part *part, struct err *err)
{
    uint64_t end;
    if (view == UINT32_MAX || pickle->node[view].kind == PICKLE_NONE)
        return STATUS_OK;
    const uint64_t whole = part->elements;
    if (pickle->node[view].kind != PICKLE_TUPLE || pickle->node[view].value != 3 || !is_count(pickle, picklenode_item(pickle, view, 1), &part->offset) ||
        !is_count(pickle, picklenode_item(pickle, view, 2), &part->elements) || !checked_add(part->offset, part->elements, &end) || end > whole)
        return picklenode_corrupt(pickle, err, "found a view of a storage that is no (key, offset, elements) within it");
    return STATUS_OK;
}

enum status torchcall_storage(struct pickle *pickle, uint32_t id, uint32_t *node, struct err *err)
{
    struct pickle_part part = {0};
    const struct pickle_node *tuple = &pickle->node[id];
    const bool named = tuple->kind == PICKLE_TUPLE && tuple->value >= 1;
    if (named &&
        slice_is(picklenode_string(pickle, picklenode_item(pickle, id, 0)), "module")) /* source text of a class that a GLOBAL has named, or will */
        return picklenode_add(pickle, (struct pickle_node){.kind = PICKLE_OPAQUE}, node, err);
    if (!named || tuple->value < 5 || tuple->value > 6 || !slice_is(picklenode_string(pickle, picklenode_item(pickle, id, 0)), "storage"))
        return picklenode_corrupt(pickle, err, "found a persistent id that is no ('storage', class, key, location, elements)");
    const struct pickle_node class = pickle->node[picklenode_item(pickle, id, 1)];
    const bool is_class = class.kind == PICKLE_GLOBAL && (list[class.a].meaning == MEANS_STORAGE || list[class.a].meaning == MEANS_REFUSED_STORAGE);
    const struct slice key = picklenode_string(pickle, picklenode_item(pickle, id, 2)),
                       location = picklenode_string(pickle, picklenode_item(pickle, id, 3));
    if (!is_class || !is_count(pickle, picklenode_item(pickle, id, 4), &part.elements))
        return picklenode_corrupt(pickle, err, "found a persistent id without a class of storages or a number of elements");
    if (!is_key(key))
        return picklenode_corrupt(pickle, err, "found storage key \"%.*s\", expected 1 to 64 of 0-9 A-Z a-z _ . -", key.size < 80 ? (int)key.size : 80,
                                  key.data);
    struct pickle_storage storage = {.dtype = list[class.a].dtype, .elements = part.elements, .refused = list[class.a].reason};
    if (slice_is(location, "meta"))
        storage.refused = reasons[REASON_META - LIST_COUNT];
    TRY(add_storage(pickle, key, &storage, &part.storage, err));
    TRY(take_part(pickle, picklenode_item(pickle, id, 5), &part, err));
    TRY(mem_grow((void **)&pickle->part, &pickle->part_capacity, pickle->part_count + 1, sizeof part, err));
    pickle->part[pickle->part_count] = part;
    return picklenode_add(pickle, (struct pickle_node){.kind = PICKLE_STORAGE, .a = (uint32_t)pickle->part_count++, .b = class.a}, node, err);
}

/* --- tensors ------------------------------------------------------------------------------------------------------------------- */

static enum status refuse(struct pickle *pickle, uint32_t reason, uint32_t *node, struct err *err)
{
    return picklenode_add(pickle, (struct pickle_node){.kind = PICKLE_REFUSED, .a = reason}, node, err);
}

/* Shape and strides of equal rank, into dim. */
static enum status take_dims(struct pickle *pickle, uint32_t args, uint64_t *dim, uint8_t *rank, struct err *err)
{
    const uint32_t part[2] = {picklenode_item(pickle, args, 2), picklenode_item(pickle, args, 3)};
    const struct pickle_node *shape = &pickle->node[part[0]], *strides = &pickle->node[part[1]];
    if (shape->kind != PICKLE_TUPLE || strides->kind != PICKLE_TUPLE || shape->value != strides->value)
        return picklenode_corrupt(pickle, err, "found a tensor whose shape and strides are no tuples of one length");
    if (shape->value > LIMIT_RANK_MAX)
        return err_set(err, STATUS_LIMIT, pickle->where, "found a tensor of %lld dimensions, the most that is read is %d", (long long)shape->value,
                       LIMIT_RANK_MAX);
    *rank = (uint8_t)shape->value;
    for (uint32_t p = 0; p < 2; p++)
        for (uint32_t d = 0; d < *rank; d++)
            if (!is_count(pickle, picklenode_item(pickle, part[p], d), &dim[p * *rank + d]))
                return picklenode_corrupt(pickle, err, "found a negative size or stride, or one that is no integer");
    return STATUS_OK;
}

/* The last element lies within the part of the storage. */
static enum status check_extent(const struct pickle *pickle, const struct pickle_tensor *tensor, uint64_t elements, struct err *err)
{
    uint64_t last = tensor->offset, step, count = 1;
    bool fits = true;
    for (unsigned d = 0; d < tensor->rank; d++)
        fits = fits && checked_mul(count, tensor->dim[d], &count);
    if (fits && count == 0)
        return STATUS_OK;
    for (unsigned d = 0; d < tensor->rank; d++)
        fits = fits && checked_mul(tensor->dim[d] - 1, tensor->dim[tensor->rank + d], &step) && checked_add(last, step, &last);
    if (fits && last < elements && count / 64 <= elements) /* a stride of 0 repeats elements, though not without end */
        return STATUS_OK;
    return picklenode_corrupt(pickle, err, "found a tensor whose elements lie outside its storage of %llu", (unsigned long long)elements);
}

/* {'conj': True} and {'neg': True}: values are not what is stored. */
static bool is_lazy(const struct pickle *pickle, uint32_t metadata)
{
    struct pickle_items items = {0};
    uint32_t key, value;
    if (metadata == UINT32_MAX || pickle->node[metadata].kind != PICKLE_DICT)
        return false;
    while (picklenode_next(pickle, metadata, &items, &key) && picklenode_next(pickle, metadata, &items, &value))
        if (pickle->node[value].kind == PICKLE_BOOL && pickle->node[value].value != 0)
            return true;
    return false;
}

static enum status make_tensor(struct pickle *pickle, uint32_t row, uint32_t args, uint32_t *node, struct err *err)
{
    const bool v3 = list[row].meaning == MEANS_TENSOR_V3;
    const uint32_t part_node = picklenode_item(pickle, args, 0), dtype_node = v3 ? picklenode_item(pickle, args, 6) : UINT32_MAX;
    struct pickle_tensor tensor = {0};
    uint64_t dim[2 * LIMIT_RANK_MAX];
    if (pickle->node[args].value < (v3 ? 7 : 4) || pickle->node[part_node].kind != PICKLE_STORAGE ||
        !is_count(pickle, picklenode_item(pickle, args, 1), &tensor.offset))
        return picklenode_corrupt(pickle, err, "found %s without a storage and an offset", list[row].name);
    const struct pickle_part part = pickle->part[pickle->node[part_node].a];
    const struct pickle_storage *storage = &pickle->storage[part.storage];
    tensor.storage = part.storage;
    tensor.dtype = storage->dtype;
    if (v3) {
        const struct pickle_node *dtype = &pickle->node[dtype_node];
        if (dtype->kind != PICKLE_GLOBAL || list[dtype->a].meaning != MEANS_DTYPE)
            return picklenode_corrupt(pickle, err, "found _rebuild_tensor_v3 without a dtype");
        tensor.dtype = list[dtype->a].dtype;
    }
    if (storage->refused != NULL)
        return refuse(pickle, storage->refused == reasons[1] ? (uint32_t)REASON_META : pickle->node[part_node].b, node, err);
    if (is_lazy(pickle, picklenode_item(pickle, args, v3 ? 7 : 6)))
        return refuse(pickle, REASON_LAZY, node, err);
    if (v3 != (storage->dtype == DTYPE_NONE))
        return picklenode_corrupt(pickle, err, "found %s of a storage that %s a type", list[row].name, v3 ? "has" : "lacks");
    TRY(take_dims(pickle, args, dim, &tensor.rank, err));
    tensor.dim = dim;
    const uint64_t unit = v3 ? dtype_bits(tensor.dtype) / 8 : 1;
    TRY(check_extent(pickle, &tensor, part.elements / unit, err));
    tensor.offset += part.offset / unit;
    uint64_t *copy = arena_alloc(&pickle->arena, 2 * (uint64_t)tensor.rank, sizeof *copy, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    memcpy(copy, dim, 2 * (size_t)tensor.rank * sizeof *copy);
    tensor.dim = copy;
    TRY(mem_grow((void **)&pickle->tensor, &pickle->tensor_capacity, pickle->tensor_count + 1, sizeof tensor, err));
    pickle->tensor[pickle->tensor_count] = tensor;
    return picklenode_add(pickle, (struct pickle_node){.kind = PICKLE_TENSOR, .a = (uint32_t)pickle->tensor_count++}, node, err);
}

/* --- calls --------------------------------------------------------------------------------------------------------------------- */

/* OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). */
static enum status make_dict(struct pickle *pickle, uint32_t args, uint32_t *node, struct err *err)
{
    struct pickle_items items = {0};
    const uint32_t pairs = picklenode_item(pickle, args, 0);
    uint32_t pair;
    TRY(picklenode_add(pickle, (struct pickle_node){.kind = PICKLE_DICT}, node, err));
    if (pairs == UINT32_MAX)
        return STATUS_OK;
    if (pickle->node[pairs].kind != PICKLE_LIST)
        return picklenode_corrupt(pickle, err, "found an OrderedDict of something that is no list of pairs");
    while (picklenode_next(pickle, pairs, &items, &pair)) {
        uint32_t two[2];
        struct pickle_items in_pair = {0};
        const enum pickle_kind kind = pickle->node[pair].kind;
        if ((kind != PICKLE_LIST && kind != PICKLE_TUPLE) || pickle->node[pair].value != 2 || !picklenode_next(pickle, pair, &in_pair, &two[0]) ||
            !picklenode_next(pickle, pair, &in_pair, &two[1]))
            return picklenode_corrupt(pickle, err, "found an OrderedDict of something that is no list of pairs");
        TRY(picklenode_extend(pickle, *node, two, 2, err));
    }
    return STATUS_OK;
}

enum status torchcall_call(struct pickle *pickle, uint32_t global, uint32_t args, uint32_t *node, struct err *err)
{
    if (pickle->node[global].kind != PICKLE_GLOBAL)
        return picklenode_corrupt(pickle, err, "found a call of something that is no function");
    if (pickle->node[args].kind != PICKLE_TUPLE)
        return picklenode_corrupt(pickle, err, "found arguments that are no tuple");
    uint32_t row = pickle->node[global].a;
    if (list[row].meaning == MEANS_FROM_TYPE) {
        const uint32_t inner = picklenode_item(pickle, args, 0), inner_args = picklenode_item(pickle, args, 2);
        if (inner_args == UINT32_MAX || pickle->node[inner].kind != PICKLE_GLOBAL || pickle->node[inner_args].kind != PICKLE_TUPLE)
            return picklenode_corrupt(pickle, err, "found _rebuild_from_type_v2 without a function and its arguments");
        row = pickle->node[inner].a;
        args = inner_args;
    }
    switch (list[row].meaning) {
    case MEANS_TENSOR:
    case MEANS_TENSOR_V3:
        return make_tensor(pickle, row, args, node, err);
    case MEANS_FIRST:
        *node = picklenode_item(pickle, args, 0);
        return *node != UINT32_MAX ? STATUS_OK : picklenode_corrupt(pickle, err, "found %s without an argument", list[row].name);
    case MEANS_DICT:
        return make_dict(pickle, args, node, err);
    case MEANS_OPAQUE:
        return picklenode_add(pickle, (struct pickle_node){.kind = PICKLE_OPAQUE}, node, err);
    case MEANS_REFUSED:
        return refuse(pickle, row, node, err);
    case MEANS_STORAGE:
    case MEANS_REFUSED_STORAGE:
    case MEANS_DTYPE:
    case MEANS_FROM_TYPE:
        break;
    }
    return picklenode_corrupt(pickle, err, "found a call of %s.%s, which is no function", list[row].module, list[row].name);
}
