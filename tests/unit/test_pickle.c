#include "container/pickle.h"
#include "container/statedict.h"
#include "container/torchcall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define V2 "ctorch._utils\n_rebuild_tensor_v2\n"
#define STORAGE "(X\7\0\0\0storagectorch\nHalfStorage\nX\1\0\0\0" "0X\3\0\0\0cpuK\14tQ"
#define TENSOR V2 "(" STORAGE "K\0K\3K\4\206K\4K\1\206\211}tR"

struct read {
    struct pickle pickle;
    struct statedict state;
    struct err err;
};

static enum status read_text(struct read *r, const char *text, size_t size)
{
    memset(r, 0, sizeof *r);
    return pickle_read(&r->pickle, "test.pkl", (struct slice){text, size}, NULL, &r->err);
}

static void end(struct read *r)
{
    statedict_free(&r->state);
    pickle_free(&r->pickle);
}

#define READ(r, text) read_text((r), (text), sizeof(text) - 1)

static void numbers_of_every_width(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        int64_t value;
    } cases[] = {
#define CASE(text, value) {text, sizeof(text) - 1, value}
        CASE("\200\2K\377.", 255), CASE("\200\2M\1\2.", 0x201), CASE("\200\2J\376\377\377\377.", -2), CASE("\200\2\212\0.", 0),
        CASE("\200\2\212\1\200.", -128), CASE("\200\2\212\2\377\0.", 255), CASE("\200\2\212\10\0\0\0\0\0\0\0\200.", INT64_MIN),
        CASE("\200\2\213\1\0\0\0\5.", 5), CASE("I42\n.", 42), CASE("L-7L\n.", -7), CASE("\200\2\210.", 1), CASE("I00\n.", 0),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct read r;
        assert_int_equal(read_text(&r, cases[i].text, cases[i].size), STATUS_OK);
        assert_int_equal(r.pickle.node[r.pickle.root].value, cases[i].value);
        end(&r);
    }
}

static void items_are_walked_over_runs(void **state)
{
    (void)state;
    struct read r;
    assert_int_equal(READ(&r, "\200\2](K\1K\2eK\3a(K\4e."), STATUS_OK);
    struct pickle_items items = {0};
    uint32_t item;
    int64_t expected = 1;
    while (picklenode_next(&r.pickle, r.pickle.root, &items, &item))
        assert_int_equal(r.pickle.node[item].value, expected++);
    assert_int_equal(expected, 5);
    assert_int_equal(r.pickle.node[r.pickle.root].value, 4);
    end(&r);
    assert_int_equal(READ(&r, "\200\2K\7K\10\206."), STATUS_OK);
    assert_int_equal(r.pickle.node[picklenode_item(&r.pickle, r.pickle.root, 1)].value, 8);
    assert_int_equal(picklenode_item(&r.pickle, r.pickle.root, 2), UINT32_MAX);
    end(&r);
}

static void memo_copies_names_of_nodes(void **state)
{
    (void)state;
    struct read r;
    assert_int_equal(READ(&r, "\200\4]\224h\0\206."), STATUS_OK);
    assert_int_equal(r.pickle.node_count, 2);
    end(&r);
}

static void a_tensor_is_a_part_of_a_storage(void **state)
{
    (void)state;
    struct read r;
    assert_int_equal(READ(&r, "\200\2}X\1\0\0\0w" TENSOR "s."), STATUS_OK);
    assert_int_equal(statedict_find(&r.state, &r.pickle, &r.err), STATUS_OK);
    assert_int_equal(r.state.count, 1);
    assert_string_equal(r.state.entry[0].name, "w");
    const struct pickle_tensor *tensor = &r.pickle.tensor[r.state.entry[0].tensor];
    assert_int_equal(tensor->rank, 2);
    assert_int_equal(tensor->dtype, DTYPE_F16);
    const uint64_t dim[] = {3, 4, 4, 1};
    assert_memory_equal(tensor->dim, dim, sizeof dim);
    assert_string_equal(r.pickle.storage[tensor->storage].key, "0");
    assert_int_equal(r.pickle.storage[tensor->storage].elements, 12);
    end(&r);
}

static void names_are_joined_and_wrappers_told(void **state)
{
    (void)state;
    struct read r;
    assert_int_equal(READ(&r, "\200\2}(X\5\0\0\0epochK\3X\5\0\0\0model}(X\1\0\0\0a" TENSOR "X\1\0\0\0b}X\1\0\0\0c" TENSOR "suu."), STATUS_OK);
    assert_int_equal(statedict_find(&r.state, &r.pickle, &r.err), STATUS_OK);
    assert_string_equal(r.state.wrapper, "model");
    assert_int_equal(r.state.count, 2);
    assert_string_equal(r.state.entry[1].name, "b.c");
    end(&r);
}

/* One pickle of several: what it took is told, and a cut is told apart from other faults. */
static void pickles_stand_in_a_row(void **state)
{
    (void)state;
    struct pickle pickle;
    struct err err;
    size_t used;
    static const char text[] = "\200\2K\1.\200\2K\2.";
    assert_int_equal(pickle_read(&pickle, "test.pkl", (struct slice){text, sizeof text - 1}, &used, &err), STATUS_OK);
    assert_int_equal(used, 5);
    pickle_free(&pickle);
    assert_int_equal(pickle_read(&pickle, "test.pkl", (struct slice){text, 3}, &used, &err), STATUS_CORRUPT);
    assert_true(pickle.truncated);
    pickle_free(&pickle);
    assert_int_equal(pickle_read(&pickle, "test.pkl", (struct slice){"\200\2\377.", 4}, &used, &err), STATUS_CORRUPT);
    assert_false(pickle.truncated);
    pickle_free(&pickle);
}

/* Nothing of these is ever looked up: the name alone is the reason. */
static void unknown_names_are_refused_by_name(void **state)
{
    (void)state;
    struct read r;
    assert_int_equal(READ(&r, "\200\2cos\nsystem\nX\2\0\0\0id\205R."), STATUS_UNSUPPORTED);
    assert_non_null(strstr(r.err.what, "os.system"));
    end(&r);
    uint32_t row;
    assert_int_equal(torchcall_find(&r.pickle, slice_of("builtins"), slice_of("eval"), &row, &r.err), STATUS_UNSUPPORTED);
    assert_int_equal(torchcall_find(&r.pickle, slice_of("__builtin__"), slice_of("set"), &row, &r.err), STATUS_OK);
}

static void every_opcode_alone_ends_cleanly(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            const char text[] = {(char)first, (char)second, '.'};
            struct read r;
            const enum status status = read_text(&r, text, sizeof text);
            assert_true(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
            end(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_width),
        cmocka_unit_test(items_are_walked_over_runs),
        cmocka_unit_test(memo_copies_names_of_nodes),
        cmocka_unit_test(a_tensor_is_a_part_of_a_storage),
        cmocka_unit_test(names_are_joined_and_wrappers_told),
        cmocka_unit_test(pickles_stand_in_a_row),
        cmocka_unit_test(unknown_names_are_refused_by_name),
        cmocka_unit_test(every_opcode_alone_ends_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
