/*
 * The plugin as a component of the world in wit/world.wit. `pintle plugin build .` writes build/bindings/plugin.h from it:
 * an interface that the world exports is functions to write, one that it imports is functions to call.
 *
 * WHO OWNS WHICH MEMORY
 * - What an exported function gets is its own: it frees all of it, with the generated ..._free functions.
 * - What an exported function answers has to come from malloc, as plugin_string_dup makes it. The server reads it, and the
 *   glue then frees it: never answer a constant (plugin_string_set), or what is freed or kept elsewhere.
 * - What is handed to an imported function stays the caller's, and may be a constant. What it answers is the caller's to free.
 * - An answer's struct is not cleared: clear it before it is filled in, so that no absent option looks present.
 * - Strings are UTF-8 with a length and no NUL at the end. One of length 0 has no memory, whatever its pointer is.
 * - Where memory has run out, cabi_realloc and with it plugin_string_dup end the call by a trap: nobody is accepted, and the
 *   instance is thrown away. Memory grows up to the limit of the plugin's entry, 64 MiB by default.
 * An instance answers one call, or up to 128 where the entry says `reuse`; what is leaked adds up then.
 */

#include "manifest.h"
#include "plugin.h"
#include "users.h"

typedef exports_pintle_plugin_lifecycle_call_ctx_t call_ctx;
typedef exports_pintle_plugin_user_verifier_request_t verify_request;
typedef exports_pintle_plugin_user_verifier_outcome_t verify_outcome;
typedef pintle_plugin_types_error_t error;

/* A view of a string: nothing to free. */
static text view(const plugin_string_t *string) {
    text text;
    text.bytes = (const char *)string->ptr;
    text.length = string->len;
    return text;
}

/* An error of the plugin's own; its text is copied. */
static void fail(error *error, uint8_t tag, const char *why) {
    error->tag = tag;
    plugin_string_dup(&error->val.internal, why);
}

/* The config; NULL, with an error, where it is none. */
static pintle_json *read_config(error *error) {
    faults faults = {{NULL}, 0};
    plugin_string_t json;
    pintle_json *config;
    pintle_plugin_config_json(&json);
    config = users_read(view(&json), &faults);
    plugin_string_free(&json);
    /* The server checked the config before. */
    if (!config) fail(error, PINTLE_PLUGIN_TYPES_ERROR_INTERNAL, faults.texts[0]);
    faults_free(&faults);
    return config;
}

/* ---- lifecycle ---- */

void exports_pintle_plugin_lifecycle_describe(plugin_string_t *ret) {
    plugin_string_dup(ret, MANIFEST);
}

/* True is "ok", here and below. */
bool exports_pintle_plugin_lifecycle_validate_config(plugin_string_t *json, plugin_list_string_t *err) {
    faults faults = {{NULL}, 0};
    pintle_json *config = users_read(view(json), &faults);
    size_t at;
    plugin_string_free(json);
    pintle_json_free(config);
    if (config) return true;
    err->ptr = (plugin_string_t *)calloc(faults.count, sizeof *err->ptr);
    if (!err->ptr) abort();
    err->len = faults.count;
    for (at = 0; at < faults.count; at++) plugin_string_dup(&err->ptr[at], faults.texts[at]);
    faults_free(&faults);
    return false;
}

bool exports_pintle_plugin_lifecycle_health(call_ctx *ctx, error *err) {
    pintle_json *config = read_config(err);
    exports_pintle_plugin_lifecycle_call_ctx_free(ctx);
    pintle_json_free(config);
    return config != NULL;
}

/* ---- user-verifier ---- */

/* What `password_matches` needs and what it leaves. */
struct login {
    plugin_list_u8_t *password;
    pintle_plugin_types_error_t *error;
};

/* The server hashes; a password never gets into the log. */
static int password_matches(void *state, text hash) {
    const struct login *login = state;
    plugin_string_t phc = {(uint8_t *)hash.bytes, hash.length};
    bool right = false;
    if (!pintle_plugin_crypto_password_verify(&phc, login->password, &right, login->error)) return -1;
    return right;
}

static void reject(verify_outcome *outcome, const char *why) {
    outcome->tag = EXPORTS_PINTLE_PLUGIN_USER_VERIFIER_OUTCOME_REJECTED;
    plugin_string_dup(&outcome->val.rejected, why);
}

/* `id` must stay the same for as long as the user is the same one. */
static void accept(verify_outcome *outcome, text name) {
    exports_pintle_plugin_user_verifier_accepted_t *accepted = &outcome->val.accepted;
    outcome->tag = EXPORTS_PINTLE_PLUGIN_USER_VERIFIER_OUTCOME_ACCEPTED;
    plugin_string_dup_n(&accepted->account.id, name.bytes, name.length);
    plugin_string_dup_n(&accepted->account.username, name.bytes, name.length);
    accepted->amr.ptr = (plugin_string_t *)calloc(1, sizeof *accepted->amr.ptr);
    if (!accepted->amr.ptr) abort();
    accepted->amr.len = 1;
    plugin_string_dup(accepted->amr.ptr, "pwd");
}

static bool answer(const pintle_json *config, verify_request *request, verify_outcome *outcome, error *err) {
    struct login login = {&request->secret, err};
    text name = view(&request->username.val);
    const text *username = request->username.is_some ? &name : NULL;
    memset(outcome, 0, sizeof *outcome);
    switch (users_verify(config, username, view(&request->kind), password_matches, &login)) {
    case VERDICT_ACCEPTED:
        accept(outcome, name);
        return true;
    case VERDICT_WRONG_PASSWORD:
        reject(outcome, "wrong password");
        return true;
    case VERDICT_DISABLED:
        reject(outcome, "disabled");
        return true;
    case VERDICT_UNKNOWN:
        outcome->tag = EXPORTS_PINTLE_PLUGIN_USER_VERIFIER_OUTCOME_UNKNOWN_USER;
        return true;
    case VERDICT_NO_ANSWER:
        break;
    }
    /* `err` is the host's own error, handed on with its memory. */
    return false;
}

bool exports_pintle_plugin_user_verifier_verify(call_ctx *ctx, verify_request *request, verify_outcome *ret, error *err) {
    pintle_json *config = read_config(err);
    bool answered = config && answer(config, request, ret, err);
    pintle_json_free(config);
    pintle_wipe(request->secret.ptr, request->secret.len);
    exports_pintle_plugin_user_verifier_request_free(request);
    exports_pintle_plugin_user_verifier_call_ctx_free(ctx);
    return answered;
}
