/* Verifies users by the list in the plugin's config. sdk/include/pintle_plugin.h is the contract. */

#include "pintle_json.h"

/* As plugin.toml; a test compares them. */
static const char MANIFEST[] =
    "{\"name\": \"{{name}}\", \"version\": \"0.1.0\", \"kinds\": [\"user-verifier\"], \"wants\": [\"crypto\"]}";

typedef struct backend {
    const pintle_host *host;
    pintle_json *config;
} backend;

/* ---- the config: every fault is named with its key ---- */

static void fault(pintle_text *faults, const char *path, const char *why) {
    pintle_text_json(faults, faults->length ? ", \"" : "[\"");
    pintle_text_escaped(faults, path, strlen(path));
    pintle_text_json(faults, why);
    pintle_text_json(faults, "\"");
}

static void refuse_others(const pintle_json *table, const char *const *known, pintle_text *faults) {
    const pintle_json *item;
    for (item = table->first; item; item = item->next) {
        const char *const *name = known;
        while (*name && (strlen(*name) != item->key_length || memcmp(*name, item->key, item->key_length) != 0)) name++;
        if (!*name) fault(faults, item->key, ": unknown key");
    }
}

static int is_filled(const pintle_json *value) {
    return value && value->kind == PINTLE_JSON_STRING && value->length > 0;
}

static void check_user(const pintle_json *user, pintle_text *faults) {
    static const char *const known[] = {"name", "password_hash", "disabled", NULL};
    const pintle_json *disabled = pintle_json_get(user, "disabled");
    if (user->kind != PINTLE_JSON_TABLE) {
        fault(faults, "users", ": expected a list of tables");
        return;
    }
    refuse_others(user, known, faults);
    if (!is_filled(pintle_json_get(user, "name"))) fault(faults, "users.name", ": expected a name");
    if (!is_filled(pintle_json_get(user, "password_hash"))) fault(faults, "users.password_hash", ": expected a hash");
    if (disabled && disabled->kind != PINTLE_JSON_BOOLEAN) fault(faults, "users.disabled", ": expected a boolean");
}

/* The config, or NULL and its faults as a JSON list. */
static pintle_json *read_config(const void *bytes, size_t length, pintle_text *faults) {
    static const char *const known[] = {"users", NULL};
    pintle_json *config = length ? pintle_json_parse(bytes, length) : pintle_json_parse("{}", 2);
    if (config && config->kind == PINTLE_JSON_TABLE) {
        const pintle_json *users = pintle_json_get(config, "users"), *user;
        refuse_others(config, known, faults);
        if (users && users->kind != PINTLE_JSON_LIST) fault(faults, "users", ": expected a list");
        else if (users)
            for (user = users->first; user; user = user->next) check_user(user, faults);
    } else {
        fault(faults, "config", ": expected a table");
    }
    if (!faults->length && !faults->failed) return config;
    pintle_text_json(faults, "]");
    pintle_json_free(config);
    return NULL;
}

/* ---- verifying ---- */

static const pintle_json *find_user(const backend *self, const pintle_json *username) {
    const pintle_json *users = pintle_json_get(self->config, "users");
    const pintle_json *user = users ? users->first : NULL;
    while (user && !pintle_json_same(pintle_json_get(user, "name"), username)) user = user->next;
    return user;
}

/* The server hashes. PINTLE_OK sets *matches; any other status is what `answer` then holds. The password goes on in the
 * base64url in which it came. */
static int32_t password_matches(const backend *self, uint64_t call_id, const pintle_json *user,
                                const pintle_json *password, int *matches, pintle_buf *answer) {
    pintle_text request;
    pintle_slice slice;
    int32_t status;
    memset(&request, 0, sizeof request);
    pintle_text_json(&request, "{\"phc\": ");
    pintle_text_value(&request, pintle_json_get(user, "password_hash"));
    pintle_text_json(&request, ", \"password\": ");
    pintle_text_value(&request, password);
    pintle_text_json(&request, "}");
    if (request.failed) return PINTLE_FATAL;
    slice.ptr = (const uint8_t *)request.bytes;
    slice.len = request.length;
    status = self->host->call(self->host->ctx, call_id, PINTLE_HOST_PASSWORD_VERIFY, slice, answer);
    pintle_text_free(&request);
    if (status != PINTLE_OK) return status;
    *matches = answer->len == 4 && memcmp(answer->ptr, "true", 4) == 0;
    pintle_buf_release(answer);
    return PINTLE_OK;
}

static int32_t accepted(const pintle_json *name, pintle_buf *answer) {
    pintle_text text;
    memset(&text, 0, sizeof text);
    /* `id` must stay the same for as long as the user is the same one. */
    pintle_text_json(&text, "{\"accepted\": {\"account\": {\"id\": ");
    pintle_text_value(&text, name);
    pintle_text_json(&text, ", \"username\": ");
    pintle_text_value(&text, name);
    pintle_text_json(&text, "}, \"amr\": [\"pwd\"]}}");
    return pintle_text_answer(&text, PINTLE_OK, answer);
}

/* Who is not in the list is somebody else's: the next backend is asked. A wrong password is nobody else's. */
static int32_t verify(const backend *self, uint64_t call_id, const pintle_json *request, pintle_buf *answer) {
    const pintle_json *password = pintle_json_get(request, "secret"), *disabled;
    const pintle_json *user = find_user(self, pintle_json_get(request, "username"));
    int matches = 0;
    int32_t status;
    if (!user || !pintle_json_is(pintle_json_get(request, "kind"), "password")) {
        return pintle_answer("\"unknown_user\"", PINTLE_OK, answer);
    }
    if (!password || password->kind != PINTLE_JSON_STRING) {
        return pintle_answer("{\"invalid\": \"no secret\"}", PINTLE_ERROR, answer);
    }
    status = password_matches(self, call_id, user, password, &matches, answer);
    if (status != PINTLE_OK) return status;
    if (!matches) return pintle_answer("{\"rejected\": \"wrong password\"}", PINTLE_OK, answer);
    disabled = pintle_json_get(user, "disabled");
    if (disabled && disabled->boolean) return pintle_answer("{\"rejected\": \"disabled\"}", PINTLE_OK, answer);
    return accepted(pintle_json_get(user, "name"), answer);
}

/* ---- the table ---- */

static int32_t create(const pintle_host *host, pintle_slice config, void **instance, pintle_buf *faults) {
    pintle_text text;
    backend *self = (backend *)calloc(1, sizeof *self);
    memset(&text, 0, sizeof text);
    if (!self) return PINTLE_FATAL;
    self->host = host;
    self->config = read_config(config.ptr, config.len, &text);
    if (self->config) {
        *instance = self;
        return PINTLE_OK;
    }
    free(self);
    return pintle_text_answer(&text, PINTLE_ERROR, faults);
}

static int32_t validate_config(const pintle_json *request, pintle_buf *answer) {
    const pintle_json *json = pintle_json_get(request, "json");
    pintle_json *config;
    pintle_text faults;
    memset(&faults, 0, sizeof faults);
    config = json && json->text ? read_config(json->text, json->length, &faults) : NULL;
    if (!config) return pintle_text_answer(&faults, PINTLE_ERROR, answer);
    pintle_json_free(config);
    return pintle_answer("null", PINTLE_OK, answer);
}

/* Reads only, so that several calls may run at once: the table says PINTLE_THREADSAFE. */
static int32_t call(void *instance, uint64_t call_id, uint32_t method, pintle_slice req, pintle_buf *resp) {
    pintle_json *request = pintle_json_parse(req.ptr, req.len);
    int32_t status;
    switch (method) {
    case PINTLE_VALIDATE_CONFIG:
        status = validate_config(request, resp);
        break;
    case PINTLE_HEALTH:
        status = pintle_answer("null", PINTLE_OK, resp);
        break;
    case PINTLE_VERIFY_USER:
        status = verify((const backend *)instance, call_id, pintle_json_get(request, "request"), resp);
        break;
    default:
        status = PINTLE_UNSUPPORTED;
    }
    pintle_json_free(request);
    return status;
}

static void destroy(void *instance) {
    backend *self = (backend *)instance;
    if (!self) return;
    pintle_json_free(self->config);
    free(self);
}

const pintle_plugin *pintle_plugin_entry_v1(void) {
    static const pintle_plugin plugin = {
        PINTLE_MAGIC,
        PINTLE_ABI_MAJOR,
        PINTLE_ABI_MINOR,
        sizeof(pintle_plugin),
        PINTLE_THREADSAFE,
        {(const uint8_t *)MANIFEST, sizeof MANIFEST - 1},
        create,
        call,
        NULL,
        destroy,
    };
    return &plugin;
}
