/* SentencePiece's protobuf: what is written is read back, defaults, unknown fields, and every kind of damage. */
#include "tokenizer/sentencepiece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum status read_bytes(const char *bytes, size_t size, struct sentencepiece *model, struct arena *arena, struct err *err)
{
    return sentencepiece_read("tokenizer.model", (struct slice){bytes, size}, arena, model, err);
}

static struct sentencepiece sample(struct vocabulary_token *piece)
{
    piece[0] = (struct vocabulary_token){slice_of("<unk>"), 0, VOCABULARY_UNKNOWN};
    piece[1] = (struct vocabulary_token){slice_of("<s>"), 0, VOCABULARY_CONTROL};
    piece[2] = (struct vocabulary_token){slice_of("<0x0A>"), 0, VOCABULARY_BYTE};
    piece[3] = (struct vocabulary_token){slice_of("\xe2\x96\x81the"), -1.5f, VOCABULARY_NORMAL};
    piece[4] = (struct vocabulary_token){slice_of("x"), -2, VOCABULARY_USER_DEFINED};
    piece[5] = (struct vocabulary_token){slice_of("y"), -3, VOCABULARY_UNUSED};
    return (struct sentencepiece){.piece = piece,
                                  .count = 6,
                                  .model = SENTENCEPIECE_BPE,
                                  .unk = 0,
                                  .bos = 1,
                                  .eos = -1,
                                  .pad = -1,
                                  .byte_fallback = true,
                                  .add_dummy_prefix = true,
                                  .escape_whitespaces = true};
}

static void round_trip(void **state)
{
    (void)state;
    struct vocabulary_token piece[6];
    const struct sentencepiece model = sample(piece);
    struct sentencepiece back;
    struct text text = {0};
    struct arena arena = {0};
    struct err err = {0};
    sentencepiece_write(&model, &text);
    assert_int_equal(text_check(&text, &err), STATUS_OK);
    assert_true(sentencepiece_probe((struct slice){text.data, text.size}));
    assert_int_equal(read_bytes(text.data, text.size, &back, &arena, &err), STATUS_OK);
    assert_int_equal(back.count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(slice_equal(back.piece[i].text, piece[i].text));
        assert_true(back.piece[i].score == piece[i].score);
        assert_int_equal(back.piece[i].type, piece[i].type);
    }
    assert_int_equal(back.model, SENTENCEPIECE_BPE);
    assert_int_equal(back.bos, 1);
    assert_int_equal(back.eos, -1);
    assert_true(back.byte_fallback && back.add_dummy_prefix && !back.remove_extra_whitespaces && back.escape_whitespaces && !back.normalizes);
    for (size_t size = 0; size < text.size; size++) { /* every prefix ends in a clean status */
        const enum status status = read_bytes(text.data, size, &back, &arena, &err);
        assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
    }
    text_free(&text);
    arena_free(&arena);
}

#define READ(bytes) read_bytes(bytes, sizeof bytes - 1, &model, &arena, &err)

static void defaults_and_unknown_fields(void **state)
{
    (void)state;
    struct sentencepiece model;
    struct arena arena = {0};
    struct err err = {0};
    /* a piece without score and type; fields 9 (varint), 10 (8 bytes), 11 (4 bytes), 12 (bytes); an empty trainer_spec */
    assert_int_equal(READ("\x0a\x03\x0a\x01"
                          "a"
                          "\x48\x96\x01"
                          "\x51"
                          "12345678"
                          "\x5d"
                          "1234"
                          "\x62\x02xy"
                          "\x12\x00"),
                     STATUS_OK);
    assert_int_equal(model.count, 1);
    assert_int_equal(model.piece[0].type, VOCABULARY_NORMAL);
    assert_int_equal(model.model, SENTENCEPIECE_UNIGRAM);
    assert_int_equal(model.unk, 0);
    assert_int_equal(model.eos, 2);
    assert_int_equal(model.pad, -1);
    assert_true(model.add_dummy_prefix && model.remove_extra_whitespaces && model.escape_whitespaces);
    assert_int_equal(READ("\x0a\x03\x0a\x01"
                          "a"
                          "\x1a\x03\x12\x01z"),
                     STATUS_OK);
    assert_true(model.normalizes);
    arena_free(&arena);
}

static void damage(void **state)
{
    (void)state;
    struct sentencepiece model;
    struct arena arena = {0};
    struct err err = {0};
    assert_int_equal(READ(""), STATUS_CORRUPT);                 /* no piece */
    assert_int_equal(READ("\x0a"), STATUS_CORRUPT);             /* no length */
    assert_int_equal(READ("\x0a\x05\x0a\x01"), STATUS_CORRUPT); /* longer than the file */
    assert_non_null(strstr(err.what, "at byte"));
    assert_int_equal(READ("\x0a\x03\x0a\x05q"), STATUS_CORRUPT);                                     /* longer than its message */
    assert_int_equal(READ("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), STATUS_CORRUPT);          /* a length of 64 bits */
    assert_int_equal(READ("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), STATUS_CORRUPT);          /* more than 64 bits */
    assert_int_equal(READ("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), STATUS_CORRUPT);          /* eleven bytes */
    assert_int_equal(READ("\x02\x01q"), STATUS_CORRUPT);                                             /* field 0 */
    assert_int_equal(READ("\x0b"), STATUS_CORRUPT);                                                  /* a group */
    assert_int_equal(READ("\x08\x01"), STATUS_CORRUPT);                                              /* pieces of wire type 0 */
    assert_int_equal(READ("\x0a\x02\x08\x01"), STATUS_CORRUPT);                                      /* a text of wire type 0 */
    assert_int_equal(READ("\x0a\x05\x0a\x01q\x10\x01"), STATUS_CORRUPT);                             /* a score of wire type 0 */
    assert_int_equal(READ("\x0a\x05\x0a\x01q\x18\x07"), STATUS_CORRUPT);                             /* type 7 */
    assert_int_equal(READ("\x0a\x05\x0a\x01q\x18\x00"), STATUS_CORRUPT);                             /* type 0 */
    assert_int_equal(READ("\x0a\x02\x0a\x00"), STATUS_CORRUPT);                                      /* an empty text */
    assert_int_equal(READ("\x0a\x03\x0a\x01\xff"), STATUS_CORRUPT);                                  /* no UTF-8 */
    assert_int_equal(READ("\x0a\x08\x0a\x01q\x15\x00\x00\xc0\x7f"), STATUS_CORRUPT);                 /* a score that is no number */
    assert_int_equal(READ("\x0a\x03\x0a\x01q\x12\x02\x18\x09"), STATUS_CORRUPT);                     /* model_type 9 */
    assert_int_equal(READ("\x0a\x03\x0a\x01q\x12\x02\x1a\x00"), STATUS_CORRUPT);                     /* a model_type of wire type 2 */
    assert_int_equal(READ("\x0a\x03\x0a\x01q\x12\x07\xc0\x02\x80\x80\x80\x80\x10"), STATUS_CORRUPT); /* unk_id beyond 32 bits */
    assert_int_equal(READ("\x0a\x03\x0a\x01q\x1a\x02\x18"), STATUS_CORRUPT);                         /* a normalizer_spec that breaks off */
    assert_int_equal(READ("\x0a\x03\x0a\x01q\x1a\x02\x1a\x00"), STATUS_CORRUPT);                     /* a flag of wire type 2 */
    assert_false(sentencepiece_probe(slice_of("IQ== 0\n")));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(defaults_and_unknown_fields),
        cmocka_unit_test(damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
