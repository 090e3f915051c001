/* Calls the plugin as the server does, through its table, with a host that takes "plain:<base64url>" for a hash. */

#include "pintle_json.h"

static int failed = 0;

static void expect(int condition, const char *what) {
    printf("%s %s\n", condition ? "ok    " : "FAILED", what);
    if (!condition) failed = 1;
}

static int32_t host_call(void *ctx, uint64_t call_id, uint32_t method, pintle_slice req, pintle_buf *resp) {
    pintle_json *request = pintle_json_parse(req.ptr, req.len);
    const pintle_json *phc = pintle_json_get(request, "phc"), *password = pintle_json_get(request, "password");
    int same = phc && password && phc->length == password->length + 6 && !memcmp(phc->text, "plain:", 6) &&
               !memcmp(phc->text + 6, password->text, password->length);
    (void)call_id;
    pintle_json_free(request);
    if (*(int *)ctx) return pintle_answer("{\"unavailable\": \"busy\"}", PINTLE_ERROR, resp);
    if (method != PINTLE_HOST_PASSWORD_VERIFY) return PINTLE_UNSUPPORTED;
    return pintle_answer(same ? "true" : "false", PINTLE_OK, resp);
}

static pintle_slice slice(const char *text) {
    pintle_slice slice;
    slice.ptr = (const uint8_t *)text;
    slice.len = strlen(text);
    return slice;
}

/* Whether a call gives this status and, where it is not NULL, an answer with this in it. */
static int gives(const pintle_plugin *plugin, void *instance, uint32_t method, const char *request, int32_t status,
                 const char *part) {
    pintle_buf answer;
    int32_t given;
    char *text;
    int right;
    memset(&answer, 0, sizeof answer);
    given = plugin->call(instance, 1, method, slice(request), &answer);
    text = (char *)calloc(1, answer.len + 1);
    if (answer.len) memcpy(text, answer.ptr, answer.len);
    right = given == status && (!part || strstr(text, part));
    if (!right) printf("%d %s\n", given, text);
    free(text);
    pintle_buf_release(&answer);
    return right;
}

static int manifest_is_plugin_toml(const pintle_plugin *plugin) {
    pintle_json *manifest = pintle_json_parse(plugin->manifest_json.ptr, plugin->manifest_json.len);
    const pintle_json *name = pintle_json_get(manifest, "name"), *version = pintle_json_get(manifest, "version");
    char toml[4096], expected[256];
    FILE *file = fopen("plugin.toml", "r");
    size_t length = file ? fread(toml, 1, sizeof toml - 1, file) : 0;
    int same = 0;
    toml[length] = 0;
    if (name && version) {
        snprintf(expected, sizeof expected, "name = \"%s\"\nversion = \"%s\"\n", name->text, version->text);
        same = strstr(toml, expected) != NULL;
    }
    if (file) fclose(file);
    pintle_json_free(manifest);
    return same;
}

#define LOGIN(name, secret) "{\"ctx\": {}, \"request\": {\"username\": " name ", \"kind\": \"password\", \"secret\": \"" secret "\"}}"

int main(void) {
    const pintle_plugin *plugin = pintle_plugin_entry_v1();
    const char *config = "{\"users\": [{\"name\": \"\\u00e4nn\", \"password_hash\": \"plain:c2VjcmV0\"},"
                         "{\"name\": \"bob\", \"password_hash\": \"plain:c2VjcmV0\", \"disabled\": true}]}";
    int dead = 0;
    pintle_host host = {sizeof host, PINTLE_ABI_MAJOR, PINTLE_ABI_MINOR, &dead, host_call};
    void *instance = NULL;
    pintle_buf faults;
    memset(&faults, 0, sizeof faults);

    expect(manifest_is_plugin_toml(plugin), "plugin.toml and the manifest say the same");
    expect(plugin->create(&host, slice("{\"user\": 1}"), &instance, &faults) == PINTLE_ERROR, "an unknown key is refused");
    pintle_buf_release(&faults);
    expect(plugin->create(&host, slice(config), &instance, &faults) == PINTLE_OK, "the config is taken");
    expect(gives(plugin, instance, PINTLE_VERIFY_USER, LOGIN("\"\303\244nn\"", "c2VjcmV0"), PINTLE_OK, "accepted"),
           "the right password is accepted");
    expect(gives(plugin, instance, PINTLE_VERIFY_USER, LOGIN("\"\\u00e4nn\"", "d3Jvbmc"), PINTLE_OK, "rejected"),
           "a wrong password is rejected");
    expect(gives(plugin, instance, PINTLE_VERIFY_USER, LOGIN("\"bob\"", "c2VjcmV0"), PINTLE_OK, "rejected"),
           "a disabled user is rejected");
    expect(gives(plugin, instance, PINTLE_VERIFY_USER, LOGIN("\"bo\"", "c2VjcmV0"), PINTLE_OK, "unknown_user"),
           "another backend is asked about those whom the list does not have");
    expect(gives(plugin, instance, PINTLE_VALIDATE_CONFIG, "{\"json\": \"[]\"}", PINTLE_ERROR, "expected a table"),
           "a config that is no table is refused");
    expect(gives(plugin, instance, 9999, "{}", PINTLE_UNSUPPORTED, NULL), "a method that it does not know is said to be");
    dead = 1;
    expect(gives(plugin, instance, PINTLE_VERIFY_USER, LOGIN("\"bob\"", "c2VjcmV0"), PINTLE_ERROR, "unavailable"),
           "nobody is accepted while the host has no answer");
    plugin->destroy(instance);
    return failed;
}
