#include "tokenizer/sentencepiece.h"

#include "base/cursor.h"
#include "base/le.h"
#include "base/mem.h"

#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { VARINT_BYTES_MAX = 10 };
enum { MODEL_PIECES = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_MODEL = 3, TRAINER_FALLBACK = 35, TRAINER_UNK = 40, TRAINER_BOS = 41, TRAINER_EOS = 42, TRAINER_PAD = 43 };
enum { NORMALIZER_NAME = 1, NORMALIZER_CHARSMAP = 2, NORMALIZER_PREFIX = 3, NORMALIZER_WHITESPACES = 4, NORMALIZER_ESCAPE = 5 };

/* A message, or the whole file, being read. */
struct message {
    const char *where;
    const char *base; /* where the file begins, for offsets */
    struct cursor cursor;
};
struct field {
    uint64_t number; /* of a varint, or of 4 or 8 bytes */
    struct slice bytes;
    uint32_t id;
    enum wire wire;
};

static enum status broken(const struct message *message, const char *what, struct err *err)
{
    const size_t offset = (size_t)((const char *)message->cursor.data + message->cursor.at - message->base);
    return err_set(err, STATUS_CORRUPT, message->where, "found %s at byte %zu, expected a SentencePiece model", what, offset);
}

static enum status take_varint(struct message *message, uint64_t *value, struct err *err)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        const uint8_t byte = cursor_u8(&message->cursor);
        if (message->cursor.failed)
            return broken(message, "the end of the data inside a number", err);
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            break;
        *value |= (uint64_t)(byte & 127) << 7 * i;
        if (byte < 128)
            return STATUS_OK;
    }
    return broken(message, "a number of more than 64 bits", err);
}

static enum status take_field(struct message *message, struct field *field, struct err *err)
{
    uint64_t tag, size = 0;
    TRY(take_varint(message, &tag, err));
    if (tag >> 3 == 0 || tag >> 3 >= UINT32_C(1) << 29)
        return broken(message, "a field with no valid number", err);
    *field = (struct field){.id = (uint32_t)(tag >> 3), .wire = (enum wire)(tag & 7)};
    switch (field->wire) {
    case WIRE_VARINT:
        return take_varint(message, &field->number, err);
    case WIRE_64:
        size = 8;
        break;
    case WIRE_32:
        size = 4;
        break;
    case WIRE_BYTES:
        TRY(take_varint(message, &size, err));
        break;
    default:
        return broken(message, "a field of an unknown wire type", err);
    }
    const uint8_t *const bytes = cursor_bytes(&message->cursor, size);
    if (bytes == NULL)
        return broken(message, "a field that is longer than the data", err);
    field->bytes = (struct slice){(const char *)bytes, (size_t)size};
    if (field->wire != WIRE_BYTES)
        field->number = size == 4 ? le_load32(bytes) : le_load64(bytes);
    return STATUS_OK;
}

static struct message open_message(const struct message *outer, struct slice bytes)
{
    return (struct message){outer->where, outer->base, cursor_over(bytes.data, bytes.size)};
}

static enum status expect_wire(const struct message *message, const struct field *field, enum wire wire, struct err *err)
{
    return field->wire == wire ? STATUS_OK : broken(message, "a field of another wire type before it ends", err);
}

static enum status read_piece(struct message *message, struct vocabulary_token *piece, struct err *err)
{
    *piece = (struct vocabulary_token){.text = {"", 0}, .type = VOCABULARY_NORMAL};
    while (cursor_left(&message->cursor) > 0) {
        struct field field;
        TRY(take_field(message, &field, err));
        if (field.id == PIECE_TEXT) {
            TRY(expect_wire(message, &field, WIRE_BYTES, err));
            piece->text = field.bytes;
        } else if (field.id == PIECE_SCORE) {
            TRY(expect_wire(message, &field, WIRE_32, err));
            piece->score = le_load_f32(field.bytes.data);
        } else if (field.id == PIECE_TYPE) {
            TRY(expect_wire(message, &field, WIRE_VARINT, err));
            if (field.number < VOCABULARY_NORMAL || field.number > VOCABULARY_BYTE)
                return broken(message, "a piece of an unknown type before it ends", err);
            piece->type = (enum vocabulary_type)field.number;
        }
    }
    if (piece->text.size == 0 || piece->text.size > LIMIT_TOKEN_BYTES_MAX || !vocabulary_is_utf8(piece->text))
        return broken(message, "a piece that is empty, too long or no UTF-8, which ends", err);
    if (!(piece->score - piece->score == 0)) /* an infinity or no number */
        return broken(message, "a piece whose score is not finite, which ends", err);
    return STATUS_OK;
}

/* An id of 32 bits with a sign, which protobuf writes as 64 bits; anything else is no id. */
static enum status take_id(const struct message *message, const struct field *field, int32_t *id, struct err *err)
{
    TRY(expect_wire(message, field, WIRE_VARINT, err));
    const int64_t value = (int64_t)field->number;
    if (value < INT32_MIN || value > INT32_MAX)
        return broken(message, "an id beyond 32 bits before it ends", err);
    *id = (int32_t)value;
    return STATUS_OK;
}

static enum status read_trainer(struct message *message, struct sentencepiece *model, struct err *err)
{
    while (cursor_left(&message->cursor) > 0) {
        struct field field;
        TRY(take_field(message, &field, err));
        switch (field.id) {
        case TRAINER_MODEL:
            TRY(expect_wire(message, &field, WIRE_VARINT, err));
            if (field.number < SENTENCEPIECE_UNIGRAM || field.number > SENTENCEPIECE_CHAR)
                return broken(message, "an unknown model_type before it ends", err);
            model->model = (enum sentencepiece_model)field.number;
            break;
        case TRAINER_FALLBACK:
            TRY(expect_wire(message, &field, WIRE_VARINT, err));
            model->byte_fallback = field.number != 0;
            break;
        case TRAINER_UNK:
            TRY(take_id(message, &field, &model->unk, err));
            break;
        case TRAINER_BOS:
            TRY(take_id(message, &field, &model->bos, err));
            break;
        case TRAINER_EOS:
            TRY(take_id(message, &field, &model->eos, err));
            break;
        case TRAINER_PAD:
            TRY(take_id(message, &field, &model->pad, err));
            break;
        default: /* how it was trained */
            break;
        }
    }
    return STATUS_OK;
}

static enum status read_normalizer(struct message *message, struct sentencepiece *model, struct err *err)
{
    while (cursor_left(&message->cursor) > 0) {
        struct field field;
        TRY(take_field(message, &field, err));
        bool *const flag = field.id == NORMALIZER_PREFIX        ? &model->add_dummy_prefix
                           : field.id == NORMALIZER_WHITESPACES ? &model->remove_extra_whitespaces
                           : field.id == NORMALIZER_ESCAPE      ? &model->escape_whitespaces
                                                                : NULL;
        if (field.id == NORMALIZER_CHARSMAP) {
            TRY(expect_wire(message, &field, WIRE_BYTES, err));
            model->normalizes = field.bytes.size > 0;
        } else if (flag != NULL) {
            TRY(expect_wire(message, &field, WIRE_VARINT, err));
            *flag = field.number != 0;
        }
    }
    return STATUS_OK;
}

/* The number of pieces, so that they are allocated once. */
static enum status count_pieces(struct message message, uint64_t *count, struct err *err)
{
    *count = 0;
    while (cursor_left(&message.cursor) > 0) {
        struct field field;
        TRY(take_field(&message, &field, err));
        *count += field.id == MODEL_PIECES;
    }
    return STATUS_OK;
}

enum status sentencepiece_read(const char *where, struct slice file, struct arena *arena, struct sentencepiece *model, struct err *err)
{
    struct message message = {where, file.data, cursor_over(file.data, file.size)};
    uint64_t count;
    *model = (struct sentencepiece){.model = SENTENCEPIECE_UNIGRAM,
                                    .unk = 0,
                                    .bos = 1,
                                    .eos = 2,
                                    .pad = -1,
                                    .add_dummy_prefix = true,
                                    .remove_extra_whitespaces = true,
                                    .escape_whitespaces = true}; /* what protobuf takes absent fields for */
    TRY(count_pieces(message, &count, err));
    if (count == 0)
        return broken(&message, "no piece", err);
    if (count > LIMIT_VOCABULARY_TOKENS_MAX)
        return err_set(err, STATUS_LIMIT, where, "found %llu pieces, expected at most %u", (unsigned long long)count, LIMIT_VOCABULARY_TOKENS_MAX);
    model->piece = arena_alloc(arena, count, sizeof *model->piece, err);
    if (model->piece == NULL)
        return STATUS_LIMIT;
    while (cursor_left(&message.cursor) > 0) {
        struct field field;
        TRY(take_field(&message, &field, err));
        if (field.id < MODEL_PIECES || field.id > MODEL_NORMALIZER)
            continue;
        TRY(expect_wire(&message, &field, WIRE_BYTES, err));
        struct message inner = open_message(&message, field.bytes);
        if (field.id == MODEL_PIECES)
            TRY(read_piece(&inner, &model->piece[model->count++], err));
        else if (field.id == MODEL_TRAINER)
            TRY(read_trainer(&inner, model, err));
        else
            TRY(read_normalizer(&inner, model, err));
    }
    return STATUS_OK;
}

bool sentencepiece_probe(struct slice file)
{
    return file.size > 4 && file.data[0] == (MODEL_PIECES << 3 | WIRE_BYTES) && file.data[2] == (PIECE_TEXT << 3 | WIRE_BYTES);
}

static void put_varint(struct text *text, uint64_t value)
{
    do {
        const char byte = (char)((value & 127) | (value > 127 ? 128 : 0));
        text_add(text, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_number(struct text *text, unsigned id, int64_t value)
{
    put_varint(text, id << 3 | WIRE_VARINT);
    put_varint(text, (uint64_t)value);
}

static void put_bytes(struct text *text, unsigned id, struct slice bytes)
{
    put_varint(text, id << 3 | WIRE_BYTES);
    put_varint(text, bytes.size);
    text_add(text, bytes.data, bytes.size);
}

static void put_message(struct text *text, unsigned id, struct text *message)
{
    if (message->failed)
        text->failed = true;
    else
        put_bytes(text, id, (struct slice){message->data, message->size});
    message->size = 0;
}

void sentencepiece_write(const struct sentencepiece *model, struct text *text)
{
    struct text message = {0};
    for (uint32_t i = 0; i < model->count; i++) {
        const struct vocabulary_token *const piece = &model->piece[i];
        char score[4];
        le_store_f32(score, piece->score);
        put_bytes(&message, PIECE_TEXT, piece->text);
        put_varint(&message, PIECE_SCORE << 3 | WIRE_32);
        text_add(&message, score, sizeof score);
        if (piece->type != VOCABULARY_NORMAL)
            put_number(&message, PIECE_TYPE, piece->type);
        put_message(text, MODEL_PIECES, &message);
    }
    put_number(&message, TRAINER_MODEL, model->model);
    put_number(&message, TRAINER_FALLBACK, model->byte_fallback);
    put_number(&message, TRAINER_UNK, model->unk);
    put_number(&message, TRAINER_BOS, model->bos);
    put_number(&message, TRAINER_EOS, model->eos);
    put_number(&message, TRAINER_PAD, model->pad);
    put_message(text, MODEL_TRAINER, &message);
    put_bytes(&message, NORMALIZER_NAME, slice_of("identity"));
    put_number(&message, NORMALIZER_PREFIX, model->add_dummy_prefix);
    put_number(&message, NORMALIZER_WHITESPACES, model->remove_extra_whitespaces);
    put_number(&message, NORMALIZER_ESCAPE, model->escape_whitespaces);
    put_message(text, MODEL_NORMALIZER, &message);
    text_free(&message);
}
