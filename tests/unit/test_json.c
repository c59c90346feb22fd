#include "container/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The kinds of all tokens as letters: { } [ ] k(ey) s(tring) n(umber) t f 0 and . for the end; "!" where an error stopped the scan. */
static const char *kinds(struct slice text, char *letters, size_t size, struct err *err)
{
    static const char letter[] = "{}[]ksntf0.";
    struct json json = json_over("text", text);
    struct json_token token;
    size_t count = 0;
    do {
        assert_true(count + 2 < size);
        if (json_next(&json, &token, err) != STATUS_OK) {
            letters[count++] = '!';
            break;
        }
        assert_ptr_equal(token.text.data, json.text.data + token.at);
        assert_true(token.at + token.text.size <= json.at);
        letters[count++] = letter[token.kind];
    } while (token.kind != JSON_END);
    letters[count] = '\0';
    return letters;
}

static void scan_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *kinds;
    } cases[] = {
        {"{}", "{}."},
        {" \t\r\n[ ] \n", "[]."},
        {"null", "0."},
        {"\"\"", "s."},
        {"{\"a\":1,\"b\":[true,false,null,\"x\"],\"c\":{}}", "{knk[tf0s]k{}}."},
        {"[0,-0,10,1.5,-1e5,1E+5,0.0e-0,123456789012345678901234567890]", "[nnnnnnnn]."},
        {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00\\uD83D\\uDE00\"]", "[s]."},
        {"[\"\xc3\xa9\",\"\xe2\x82\xac\",\"\xf0\x9f\x98\x80\",\"\xed\x9f\xbf\",\"\xee\x80\x80\",\"\xf4\x8f\xbf\xbf\",\"\x7f\"]", "[sssssss]."},
        {"[[[]],[{}]]", "[[[]][{}]]."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char letters[64];
        struct err err;
        assert_string_equal(kinds(slice_of(cases[i].text), letters, sizeof letters, &err), cases[i].kinds);
    }
}

static void scan_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "byte 0: found the end of the text, expected a value"},
        {"  ", "byte 2: found the end"},
        {"{", "byte 1: found the end of the text, expected a quoted name or '}'"},
        {"[", "expected a value or ']'"},
        {"[1", "expected ',' or ']'"},
        {"{\"a\":1", "expected ',' or '}'"},
        {"{\"a\"", "expected ':'"},
        {"{\"a\" 1}", "byte 5: found '1', expected ':'"},
        {"{\"a\":}", "found '}', expected a value"},
        {"{\"a\":1,}", "byte 7: found '}', expected a quoted name"},
        {"{,}", "found ',', expected a quoted name or '}'"},
        {"{a:1}", "found 'a', expected a quoted name"},
        {"{1:1}", "found '1'"},
        {"[1,]", "byte 3: found ']', expected a value"},
        {"[,1]", "found ','"},
        {"[1 2]", "found '2', expected ',' or ']'"},
        {"[1}", "found '}'"},
        {"{\"a\":1]", "found ']'"},
        {"]", "found ']'"},
        {"{}x", "byte 2: found 'x', expected the end of the text"},
        {"{},", "found ','"},
        {"{}{}", "found '{', expected the end"},
        {"1 1", "expected the end"},
        {"nul", "found 'n'"},
        {"True", "found 'T'"},
        {"NaN", "found 'N'"},
        {"'a'", "found '''"},
        {"\xef\xbb\xbf{}", "byte 0: found byte 0xef, expected a value"},
        {"[01]", "leading zero"},
        {"[-01]", "leading zero"},
        {"[-]", "expected a digit"},
        {"[+1]", "found '+'"},
        {"[.5]", "found '.'"},
        {"[1.]", "byte 3: found ']', expected a digit"},
        {"[1e]", "expected a digit"},
        {"[1e+]", "expected a digit"},
        {"[1", "end of the text"},
        {"[-", "end of the text"},
        {"[0x10]", "found 'x'"},
        {"\"a", "byte 2: found the end of the text, expected '\"'"},
        {"\"a\\", "bad escape"},
        {"\"a\\\"", "expected '\"'"},
        {"\"\n\"", "byte 1: found byte 0x0a, expected an escape"},
        {"\"\\x\"", "byte 1: found a bad escape"},
        {"\"\\u12\"", "bad escape"},
        {"\"\\u12g4\"", "bad escape"},
        {"\"\\ud800\"", "bad escape"},
        {"\"\\udc00\"", "bad escape"},
        {"\"\\ud800\\u0041\"", "bad escape"},
        {"\"\\ud800\\ud800\"", "bad escape"},
        {"\"\\ud800", "bad escape"},
        {"\"\x80\"", "found byte 0x80, expected valid UTF-8"},
        {"\"\xc0\x80\"", "UTF-8"},
        {"\"\xc1\xbf\"", "UTF-8"},
        {"\"\xc3\"", "UTF-8"},
        {"\"\xe0\x9f\xbf\"", "UTF-8"},
        {"\"\xed\xa0\x80\"", "UTF-8"},
        {"\"\xf0\x8f\xbf\xbf\"", "UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "UTF-8"},
        {"\"\xf5\x80\x80\x80\"", "UTF-8"},
        {"\"\xe2\x82\"", "UTF-8"},
        {"\"\xe2\x82", "UTF-8"},
        {"{\"\xff\":1}", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char letters[64];
        struct err err = {0};
        kinds(slice_of(cases[i].text), letters, sizeof letters, &err);
        if (strchr(letters, '!') == NULL || strstr(err.what, cases[i].message) == NULL)
            fail_msg("%s: %s: %s", cases[i].text, letters, err.what);
        assert_int_equal(err.status, STATUS_CORRUPT);
        assert_string_equal(err.where, "text");
    }
    char letters[8];
    struct err err;
    assert_string_equal(kinds((struct slice){"\"\0\"", 3}, letters, sizeof letters, &err), "!"); /* a raw NUL in a string */
    assert_string_equal(kinds((struct slice){"{}\0", 3}, letters, sizeof letters, &err), "{}!"); /* NUL padding */
    assert_string_equal(kinds((struct slice){NULL, 0}, letters, sizeof letters, &err), "!");
}

static void scan_bounds_depth(void **state)
{
    (void)state;
    char text[2 * LIMIT_JSON_DEPTH_MAX + 8], letters[sizeof text + 8];
    struct err err;
    for (int deeper = 0; deeper < 2; deeper++) {
        const size_t depth = LIMIT_JSON_DEPTH_MAX + (size_t)deeper;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        kinds((struct slice){text, 2 * depth}, letters, sizeof letters, &err);
        assert_int_equal(strchr(letters, '!') != NULL, deeper);
    }
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.what, "byte 128"));
    assert_non_null(strstr(err.what, "128 levels"));
}

/* The kind of each container is remembered at every depth. */
static void scan_remembers_containers(void **state)
{
    (void)state;
    char letters[800];
    struct text text = {0};
    struct err err;
    for (int i = 0; i < LIMIT_JSON_DEPTH_MAX; i++)
        text_string(&text, i % 3 == 0 ? "[" : "{\"k\":");
    text_string(&text, "0");
    for (int i = LIMIT_JSON_DEPTH_MAX - 1; i >= 0; i--)
        text_string(&text, i % 3 == 0 ? ",1]" : ",\"l\":1}");
    kinds((struct slice){text.data, text.size}, letters, sizeof letters, &err);
    assert_null(strchr(letters, '!'));
    text_free(&text);
}

static void end_repeats(void **state)
{
    (void)state;
    struct json json = json_over("text", slice_of(" 1 "));
    struct json_token token;
    struct err err;
    assert_int_equal(json_next(&json, &token, &err), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(json_next(&json, &token, &err), STATUS_OK);
        assert_int_equal(token.kind, JSON_END);
        assert_int_equal(token.at, 3);
    }
}

static void expect(void **state)
{
    (void)state;
    struct json json = json_over("text", slice_of("{\"a\": 1}"));
    struct json_token token;
    struct err err;
    assert_int_equal(json_expect(&json, JSON_OBJECT, &token, &err), STATUS_OK);
    assert_int_equal(json_expect(&json, JSON_KEY, &token, &err), STATUS_OK);
    assert_true(slice_is(token.text, "\"a\""));
    assert_int_equal(json_expect(&json, JSON_STRING, &token, &err), STATUS_CORRUPT);
    assert_string_equal(err.what, "JSON byte 6: found a number, expected a string");
}

static void skips_values(void **state)
{
    (void)state;
    struct json json = json_over("text", slice_of("[{\"a\":[1,{}]}, 2, [], \"x\" ]"));
    struct json_token token;
    struct err err;
    assert_int_equal(json_expect(&json, JSON_ARRAY, &token, &err), STATUS_OK);
    assert_int_equal(json_expect(&json, JSON_OBJECT, &token, &err), STATUS_OK);
    assert_int_equal(json_skip(&json, &token, &err), STATUS_OK);
    assert_int_equal(json_expect(&json, JSON_NUMBER, &token, &err), STATUS_OK);
    assert_int_equal(json_skip(&json, &token, &err), STATUS_OK);
    assert_int_equal(json_expect(&json, JSON_ARRAY, &token, &err), STATUS_OK);
    assert_int_equal(json_skip(&json, &token, &err), STATUS_OK);
    assert_int_equal(json_expect(&json, JSON_STRING, &token, &err), STATUS_OK);
    assert_int_equal(json_expect(&json, JSON_ARRAY_END, &token, &err), STATUS_OK);
    json = json_over("text", slice_of("[1,"));
    assert_int_equal(json_expect(&json, JSON_ARRAY, &token, &err), STATUS_OK);
    assert_int_equal(json_skip(&json, &token, &err), STATUS_CORRUPT);
}

static struct json_token only_token(struct json *json, const char *text)
{
    struct json_token token;
    *json = json_over("text", slice_of(text));
    assert_int_equal(json_next(json, &token, NULL), STATUS_OK);
    return token;
}

static void strings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain;
    } cases[] = {
        {"\"\"", ""},
        {"\"abc\"", "abc"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00z\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"},
        {"\"\\uffff\\udbff\\udfff\"", "\xef\xbf\xbf\xf4\x8f\xbf\xbf"},
        {"\"\xe2\x82\xac\\n\"", "\xe2\x82\xac\n"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json json;
        const struct json_token token = only_token(&json, cases[i].text);
        const char *string;
        size_t size;
        assert_int_equal(json_string(&json, &token, &arena, &string, &size, NULL), STATUS_OK);
        assert_string_equal(string, cases[i].plain);
        assert_int_equal(size, strlen(cases[i].plain));
        assert_int_equal(json_string(&json, &token, &arena, &string, NULL, NULL), STATUS_OK);
    }
    struct json json;
    struct err err;
    const struct json_token token = only_token(&json, "\"a\\u0000b\"");
    const char *string;
    assert_int_equal(json_string(&json, &token, &arena, &string, NULL, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.what, "NUL"));
    arena_free(&arena);
}

static void token_is(void **state)
{
    (void)state;
    struct json json;
    struct json_token token = only_token(&json, "\"dt\\u0079pe\"");
    assert_true(json_token_is(&token, "dtype"));
    assert_false(json_token_is(&token, "dtyp"));
    assert_false(json_token_is(&token, "dtypes"));
    assert_false(json_token_is(&token, "Dtype"));
    assert_false(json_token_is(&token, ""));
    token = only_token(&json, "\"a\\u0000\"");
    assert_false(json_token_is(&token, "a"));
    token = only_token(&json, "\"\\u00e9\"");
    assert_false(json_token_is(&token, "e"));
    token = only_token(&json, "12");
    assert_false(json_token_is(&token, "12"));
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0}, {"7", 7}, {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"-1", "-0", "1.0", "1e0", "18446744073709551616", "\"1\"", "null", "99999999999999999999999999999999999999999999999999"};
    struct json json;
    struct err err;
    uint64_t value;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct json_token token = only_token(&json, good[i].text);
        assert_int_equal(json_u64(&json, &token, &value, &err), STATUS_OK);
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct json_token token = only_token(&json, bad[i]);
        assert_int_equal(json_u64(&json, &token, &value, &err), STATUS_CORRUPT);
        assert_non_null(strstr(err.what, "expected a plain integer"));
    }
}

static void quote(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *quoted;
    } cases[] = {
        {"", "\"\""},
        {"a/b", "\"a/b\""},
        {"\"\\\b\f\n\r\t\x01\x1f\x7f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"a\xff\xe2\x82z", "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text text = {0};
        json_quote(&text, slice_of(cases[i].plain));
        assert_string_equal(text.data, cases[i].quoted);
        text_free(&text);
    }
    struct text text = {0};
    json_quote(&text, (struct slice){"a\0b", 3});
    json_quote(&text, (struct slice){NULL, 0});
    assert_string_equal(text.data, "\"a\\u0000b\"\"\"");
    text_free(&text);
}

/* Every prefix of a good text is refused, every mutation ends, and what is accepted has balanced tokens. */
static void mutations(void **state)
{
    (void)state;
    static const char good[] = "{\"a\\u0041\": [1, -2.5e+3, \"x\\ud83d\\ude00\xe2\x82\xac\", {\"b\": null, \"c\": [true, false]}], \"d\": {}}";
    char letters[256], copy[sizeof good];
    struct err err;
    for (size_t size = 0; size + 1 < sizeof good; size++)
        assert_non_null(strchr(kinds((struct slice){good, size}, letters, sizeof letters, &err), '!'));
    const unsigned seed = 20240611;
    srand(seed);
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, good, sizeof good);
        for (int flips = rand() % 3 + 1; flips > 0; flips--)
            copy[(size_t)rand() % (sizeof good - 1)] ^= (char)(1 << rand() % 8);
        kinds((struct slice){copy, sizeof good - 1}, letters, sizeof letters, &err);
        int open = 0;
        for (const char *at = letters; *at != '\0'; at++)
            open += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        if (strchr(letters, '!') == NULL && open != 0)
            fail_msg("seed %u, round %d: %s", seed, i, letters);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_accepts), cmocka_unit_test(scan_refuses), cmocka_unit_test(scan_bounds_depth),
        cmocka_unit_test(scan_remembers_containers), cmocka_unit_test(end_repeats), cmocka_unit_test(expect), cmocka_unit_test(skips_values),
        cmocka_unit_test(strings), cmocka_unit_test(token_is), cmocka_unit_test(numbers), cmocka_unit_test(quote), cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
