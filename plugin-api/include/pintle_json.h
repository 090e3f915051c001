/*
 * Reading and writing the JSON of pintle_plugin.h, for C and C++: all in this file, no library but the standard one.
 *
 * A value is parsed as a whole and freed as a whole; texts are wiped before they are freed, as they may be passwords.
 * Strings are UTF-8, may hold NUL, and are NUL-terminated besides.
 */
#ifndef PINTLE_JSON_H
#define PINTLE_JSON_H

#include "pintle_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum pintle_json_kind {
    PINTLE_JSON_NULL,
    PINTLE_JSON_BOOLEAN,
    PINTLE_JSON_NUMBER,
    PINTLE_JSON_STRING,
    PINTLE_JSON_LIST,
    PINTLE_JSON_TABLE
} pintle_json_kind;

/* A value; within a list or table, also one of a chain. */
typedef struct pintle_json {
    pintle_json_kind kind;
    int boolean;
    double number;
    char *text; /* of a string */
    size_t length;
    char *key; /* in a table */
    size_t key_length;
    struct pintle_json *first; /* of a list or table */
    struct pintle_json *next;
} pintle_json;

/* The deepest nesting that is read. */
#define PINTLE_JSON_DEPTH 64

typedef struct pintle_json_reader {
    const uint8_t *at;
    const uint8_t *end;
    int depth;
} pintle_json_reader;

static inline void pintle_wipe(void *bytes, size_t length) {
    volatile uint8_t *at = (volatile uint8_t *)bytes;
    while (length--) *at++ = 0;
}

/* Frees a value with all that is in it; NULL is allowed. */
static inline void pintle_json_free(pintle_json *value) {
    while (value) {
        pintle_json *next = value->next;
        pintle_json_free(value->first);
        if (value->text) pintle_wipe(value->text, value->length);
        free(value->text);
        free(value->key);
        free(value);
        value = next;
    }
}

static inline void pintle_json_space(pintle_json_reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static inline int pintle_json_word(pintle_json_reader *r, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0) return 0;
    r->at += length;
    return 1;
}

/* Four hexadecimal digits, or -1. */
static inline long pintle_json_hex(pintle_json_reader *r) {
    long value = 0;
    int i;
    if (r->end - r->at < 4) return -1;
    for (i = 0; i < 4; i++) {
        uint8_t c = *r->at++;
        if (c >= '0' && c <= '9') value = value * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f') value = value * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F') value = value * 16 + (c - 'A' + 10);
        else return -1;
    }
    return value;
}

static inline size_t pintle_json_utf8(long code, char *out) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | (code >> 6));
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | (code >> 12));
        out[1] = (char)(0x80 | ((code >> 6) & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (code >> 18));
    out[1] = (char)(0x80 | ((code >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((code >> 6) & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* What follows a backslash; the bytes written, 0 where it is no escape. */
static inline size_t pintle_json_escape(pintle_json_reader *r, char *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;
    long code, low;
    if (r->at == r->end) return 0;
    if (*r->at != 'u') {
        found = *r->at ? strchr(from, *r->at) : NULL;
        if (!found) return 0;
        r->at++;
        out[0] = to[found - from];
        return 1;
    }
    r->at++;
    code = pintle_json_hex(r);
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) return 0;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (!pintle_json_word(r, "\\u")) return 0;
        low = pintle_json_hex(r);
        if (low < 0xdc00 || low > 0xdfff) return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    return pintle_json_utf8(code, out);
}

/* A string into memory of its own; 0 where there is none. */
static inline int pintle_json_string(pintle_json_reader *r, char **text, size_t *length) {
    const uint8_t *close = r->at + 1;
    char *out;
    if (r->at == r->end || *r->at != '"') return 0;
    while (close < r->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= r->end) return 0;
    /* No escape is shorter than what it stands for. */
    out = *text = (char *)malloc((size_t)(close - r->at));
    if (!out) return 0;
    for (r->at++; r->at < close;) {
        uint8_t c = *r->at++;
        if (c == '\\') {
            size_t written = pintle_json_escape(r, out);
            if (!written) return 0;
            out += written;
        } else if (c < 0x20) {
            return 0;
        } else {
            *out++ = (char)c;
        }
    }
    *out = 0;
    *length = (size_t)(out - *text);
    r->at = close + 1;
    return 1;
}

static inline int pintle_json_digits(pintle_json_reader *r) {
    const uint8_t *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return r->at > start;
}

static inline int pintle_json_number(pintle_json_reader *r, double *number) {
    const uint8_t *start = r->at;
    char text[64];
    size_t length;
    if (r->at < r->end && *r->at == '-') r->at++;
    if (r->at < r->end && *r->at == '0') r->at++;
    else if (!pintle_json_digits(r)) return 0;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (!pintle_json_digits(r)) return 0;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!pintle_json_digits(r)) return 0;
    }
    length = (size_t)(r->at - start);
    if (length >= sizeof text) return 0;
    memcpy(text, start, length);
    text[length] = 0;
    *number = strtod(text, NULL);
    return 1;
}

static inline pintle_json *pintle_json_value(pintle_json_reader *r);

/* The items of a list or table, up to its closing bracket. */
static inline int pintle_json_items(pintle_json_reader *r, pintle_json *whole, uint8_t close) {
    pintle_json **last = &whole->first;
    r->at++;
    pintle_json_space(r);
    if (r->at < r->end && *r->at == close) {
        r->at++;
        return 1;
    }
    for (;;) {
        char *key = NULL;
        size_t key_length = 0;
        pintle_json_space(r);
        if (whole->kind == PINTLE_JSON_TABLE) {
            int read = pintle_json_string(r, &key, &key_length);
            pintle_json_space(r);
            if (!read || !pintle_json_word(r, ":")) {
                free(key);
                return 0;
            }
        }
        *last = pintle_json_value(r);
        if (!*last) {
            free(key);
            return 0;
        }
        (*last)->key = key;
        (*last)->key_length = key_length;
        last = &(*last)->next;
        pintle_json_space(r);
        if (r->at == r->end) return 0;
        if (*r->at == close) {
            r->at++;
            return 1;
        }
        if (*r->at++ != ',') return 0;
    }
}

static inline int pintle_json_fill(pintle_json_reader *r, pintle_json *value) {
    switch (r->at < r->end ? *r->at : 0) {
    case '{':
        value->kind = PINTLE_JSON_TABLE;
        return pintle_json_items(r, value, '}');
    case '[':
        value->kind = PINTLE_JSON_LIST;
        return pintle_json_items(r, value, ']');
    case '"':
        value->kind = PINTLE_JSON_STRING;
        return pintle_json_string(r, &value->text, &value->length);
    case 'n':
        value->kind = PINTLE_JSON_NULL;
        return pintle_json_word(r, "null");
    case 't':
    case 'f':
        value->kind = PINTLE_JSON_BOOLEAN;
        value->boolean = *r->at == 't';
        return pintle_json_word(r, value->boolean ? "true" : "false");
    default:
        value->kind = PINTLE_JSON_NUMBER;
        return pintle_json_number(r, &value->number);
    }
}

static inline pintle_json *pintle_json_value(pintle_json_reader *r) {
    pintle_json *value;
    int filled;
    pintle_json_space(r);
    if (r->depth == PINTLE_JSON_DEPTH) return NULL;
    value = (pintle_json *)calloc(1, sizeof *value);
    if (!value) return NULL;
    r->depth++;
    filled = pintle_json_fill(r, value);
    r->depth--;
    if (filled) return value;
    pintle_json_free(value);
    return NULL;
}

/* One value and nothing else (RFC 8259); NULL where it is none, or nests too deeply. */
static inline pintle_json *pintle_json_parse(const void *bytes, size_t length) {
    pintle_json_reader reader;
    pintle_json *value;
    reader.at = (const uint8_t *)bytes;
    reader.end = length ? reader.at + length : reader.at;
    reader.depth = 0;
    value = pintle_json_value(&reader);
    pintle_json_space(&reader);
    if (value && reader.at == reader.end) return value;
    pintle_json_free(value);
    return NULL;
}

/* Whether `value` is this string. */
static inline int pintle_json_is(const pintle_json *value, const char *text) {
    return value && value->kind == PINTLE_JSON_STRING && value->length == strlen(text) &&
           memcmp(value->text, text, value->length) == 0;
}

/* Whether two are the same string. */
static inline int pintle_json_same(const pintle_json *a, const pintle_json *b) {
    return a && b && a->kind == PINTLE_JSON_STRING && b->kind == PINTLE_JSON_STRING && a->length == b->length &&
           memcmp(a->text, b->text, a->length) == 0;
}

/* The value of a key; NULL where `table` is none or has none. */
static inline const pintle_json *pintle_json_get(const pintle_json *table, const char *key) {
    const pintle_json *item = table && table->kind == PINTLE_JSON_TABLE ? table->first : NULL;
    size_t length = strlen(key);
    while (item && (item->key_length != length || memcmp(item->key, key, length) != 0)) item = item->next;
    return item;
}

/* JSON that grows. All zero is an empty one; once memory ran out it stays `failed`. */
typedef struct pintle_text {
    char *bytes;
    size_t length;
    size_t capacity;
    int failed;
} pintle_text;

static inline void pintle_text_free(pintle_text *text) {
    if (text->bytes) pintle_wipe(text->bytes, text->capacity);
    free(text->bytes);
    memset(text, 0, sizeof *text);
}

static inline void pintle_text_bytes(pintle_text *text, const char *bytes, size_t length) {
    if (!text->failed && text->capacity - text->length < length) {
        size_t capacity = (text->length + length) * 2 + 64;
        char *grown = (char *)malloc(capacity);
        if (!grown) {
            text->failed = 1;
            return;
        }
        if (text->bytes) {
            memcpy(grown, text->bytes, text->length);
            pintle_wipe(text->bytes, text->capacity);
            free(text->bytes);
        }
        text->bytes = grown;
        text->capacity = capacity;
    }
    if (text->failed || !length) return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

/* Adds JSON as it stands. */
static inline void pintle_text_json(pintle_text *text, const char *json) {
    pintle_text_bytes(text, json, strlen(json));
}

/* Adds what goes between the quotes of a string. */
static inline void pintle_text_escaped(pintle_text *text, const char *bytes, size_t length) {
    size_t i;
    for (i = 0; i < length; i++) {
        uint8_t c = (uint8_t)bytes[i];
        if (c == '"' || c == '\\' || c < 0x20) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", c);
            pintle_text_bytes(text, escape, 6);
        } else {
            pintle_text_bytes(text, bytes + i, 1);
        }
    }
}

/* Adds a string with its quotes. */
static inline void pintle_text_string(pintle_text *text, const char *bytes, size_t length) {
    pintle_text_bytes(text, "\"", 1);
    pintle_text_escaped(text, bytes, length);
    pintle_text_bytes(text, "\"", 1);
}

/* Adds the string that `value` is, with its quotes. */
static inline void pintle_text_value(pintle_text *text, const pintle_json *value) {
    pintle_text_string(text, value->text, value->length);
}

static inline void pintle_text_release(pintle_buf *buf) {
    if (buf->ptr) pintle_wipe(buf->ptr, buf->len);
    free(buf->owner);
}

/* Hands the text over as an answer with this status, and empties it. */
static inline int32_t pintle_text_answer(pintle_text *text, int32_t status, pintle_buf *answer) {
    if (text->failed) {
        pintle_text_free(text);
        return PINTLE_FATAL;
    }
    answer->ptr = (uint8_t *)text->bytes;
    answer->len = text->length;
    answer->owner = text->bytes;
    answer->release = pintle_text_release;
    memset(text, 0, sizeof *text);
    return status;
}

/* Hands JSON over as it stands. */
static inline int32_t pintle_answer(const char *json, int32_t status, pintle_buf *answer) {
    pintle_text text;
    memset(&text, 0, sizeof text);
    pintle_text_json(&text, json);
    return pintle_text_answer(&text, status, answer);
}

/* Releases what the host or the plugin filled. */
static inline void pintle_buf_release(pintle_buf *buf) {
    if (buf->release) buf->release(buf);
    memset(buf, 0, sizeof *buf);
}

#ifdef __cplusplus
}
#endif

#endif /* PINTLE_JSON_H */
