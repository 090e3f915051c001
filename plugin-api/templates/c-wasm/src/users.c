#include "users.h"

#include <stdarg.h>

/* ---- the config: every fault is named with its key ---- */

__attribute__((format(printf, 2, 3))) static void fault(faults *faults, const char *format, ...) {
    va_list arguments;
    char *text;
    int length;
    if (faults->count == FAULTS_MAX) return;
    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    text = length < 0 ? NULL : (char *)malloc((size_t)length + 1);
    /* Where memory has run out, nothing is accepted. */
    if (!text) abort();
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    faults->texts[faults->count++] = text;
}

void faults_free(faults *faults) {
    while (faults->count) free(faults->texts[--faults->count]);
}

static void refuse_others(const pintle_json *table, const char *path, const char *const *known, faults *faults) {
    const pintle_json *item;
    for (item = table->first; item; item = item->next) {
        const char *const *name = known;
        while (*name && (strlen(*name) != item->key_length || memcmp(*name, item->key, item->key_length) != 0)) name++;
        if (!*name) fault(faults, "%s%s: unknown key", path, item->key);
    }
}

static void check_text(const pintle_json *user, const char *path, const char *key, faults *faults) {
    const pintle_json *value = pintle_json_get(user, key);
    if (!value || value->kind != PINTLE_JSON_STRING || value->length == 0) {
        fault(faults, "%s%s: expected a string that is not empty", path, key);
    }
}

static void check_user(const pintle_json *user, size_t at, faults *faults) {
    static const char *const known[] = {"name", "password_hash", "disabled", NULL};
    const pintle_json *disabled = pintle_json_get(user, "disabled");
    char path[48];
    if (user->kind != PINTLE_JSON_TABLE) {
        fault(faults, "users[%zu]: expected a table", at);
        return;
    }
    snprintf(path, sizeof path, "users[%zu].", at);
    refuse_others(user, path, known, faults);
    check_text(user, path, "name", faults);
    check_text(user, path, "password_hash", faults);
    if (disabled && disabled->kind != PINTLE_JSON_BOOLEAN) fault(faults, "%sdisabled: expected a boolean", path);
}

static void check_config(const pintle_json *config, faults *faults) {
    static const char *const known[] = {"users", NULL};
    const pintle_json *users = pintle_json_get(config, "users"), *user;
    size_t at = 0;
    if (!config || config->kind != PINTLE_JSON_TABLE) {
        fault(faults, "config: expected a table");
        return;
    }
    refuse_others(config, "", known, faults);
    if (!users) return;
    if (users->kind != PINTLE_JSON_LIST) fault(faults, "users: expected a list");
    else
        for (user = users->first; user; user = user->next) check_user(user, at++, faults);
}

pintle_json *users_read(text json, faults *faults) {
    pintle_json *config = json.length ? pintle_json_parse(json.bytes, json.length) : pintle_json_parse("{}", 2);
    check_config(config, faults);
    if (!faults->count) return config;
    pintle_json_free(config);
    return NULL;
}

/* ---- verifying ---- */

static int is_text(const pintle_json *value, text text) {
    return value && value->length == text.length && memcmp(value->text, text.bytes, text.length) == 0;
}

static const pintle_json *find_user(const pintle_json *config, text username) {
    const pintle_json *users = pintle_json_get(config, "users");
    const pintle_json *user = users ? users->first : NULL;
    while (user && !is_text(pintle_json_get(user, "name"), username)) user = user->next;
    return user;
}

verdict users_verify(const pintle_json *config, const text *username, text kind, matches *matches, void *state) {
    const pintle_json *user = username ? find_user(config, *username) : NULL, *hash, *disabled;
    text phc;
    int right;
    if (!user || kind.length != 8 || memcmp(kind.bytes, "password", 8) != 0) return VERDICT_UNKNOWN;
    hash = pintle_json_get(user, "password_hash");
    phc.bytes = hash->text;
    phc.length = hash->length;
    right = matches(state, phc);
    if (right < 0) return VERDICT_NO_ANSWER;
    if (!right) return VERDICT_WRONG_PASSWORD;
    disabled = pintle_json_get(user, "disabled");
    return disabled && disabled->boolean ? VERDICT_DISABLED : VERDICT_ACCEPTED;
}
