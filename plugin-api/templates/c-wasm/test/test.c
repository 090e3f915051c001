/* The users on this machine, under the address sanitizer, which also finds what was not freed. A hash is "hash of " and
 * the password. */

#include "manifest.h"
#include "users.h"

static int failed = 0;

static void expect(int condition, const char *what) {
    printf("%s %s\n", condition ? "ok    " : "FAILED", what);
    if (!condition) failed = 1;
}

static text of(const char *bytes) {
    text text;
    text.bytes = bytes;
    text.length = strlen(bytes);
    return text;
}

static const char *const CONFIG = "{\"users\": [{\"name\": \"\\u00e4nn\", \"password_hash\": \"hash of secret\"},"
                                  "{\"name\": \"bob\", \"password_hash\": \"hash of secret\", \"disabled\": true}]}";

/* `state` is the password; NULL: nobody can say. */
static int hash_of(void *state, text hash) {
    const char *password = (const char *)state;
    if (!password) return -1;
    return hash.length == 8 + strlen(password) && !memcmp(hash.bytes, "hash of ", 8) &&
           !memcmp(hash.bytes + 8, password, strlen(password));
}

static verdict login_as(const text *username, const char *password, const char *kind) {
    faults faults = {{NULL}, 0};
    pintle_json *config = users_read(of(CONFIG), &faults);
    verdict verdict = users_verify(config, username, of(kind), hash_of, (void *)password);
    pintle_json_free(config);
    return verdict;
}

static verdict login(const char *username, const char *password) {
    text name = of(username);
    return login_as(&name, password, "password");
}

/* Whether a config has these faults and no others, in this order. */
static int has_faults(text config, const char *const *expected) {
    faults faults = {{NULL}, 0};
    pintle_json *read = users_read(config, &faults);
    size_t at = 0;
    int same = (read == NULL) == (faults.count > 0);
    while (expected[at] && at < faults.count && strcmp(expected[at], faults.texts[at]) == 0) at++;
    same = same && !expected[at] && at == faults.count;
    pintle_json_free(read);
    faults_free(&faults);
    return same;
}

static void proofs(void) {
    const text ann = of("\303\244nn"), cut = {"bob\0by", 6};
    char *huge = (char *)malloc(1 << 20);
    const text long_name = {huge, 1 << 20};
    memset(huge, 'x', 1 << 20);
    expect(login("\303\244nn", "secret") == VERDICT_ACCEPTED, "the right password is accepted");
    expect(login("\303\244nn", "wrong") == VERDICT_WRONG_PASSWORD, "a wrong password is rejected");
    expect(login("bob", "secret") == VERDICT_DISABLED, "a disabled user is rejected");
    expect(login("bo", "secret") == VERDICT_UNKNOWN && login("", "secret") == VERDICT_UNKNOWN &&
               login("a\314\210nn", "secret") == VERDICT_UNKNOWN,
           "another backend is asked about those whom the list does not have");
    expect(login_as(NULL, "secret", "password") == VERDICT_UNKNOWN, "a proof without a name is another backend's");
    expect(login_as(&ann, "secret", "otp") == VERDICT_UNKNOWN, "another kind of proof is another backend's");
    expect(login_as(&cut, "secret", "password") == VERDICT_UNKNOWN, "a name does not end at a NUL");
    expect(login_as(&long_name, "secret", "password") == VERDICT_UNKNOWN, "a huge name is nobody's");
    expect(login("bob", NULL) == VERDICT_NO_ANSWER, "nobody is accepted while the host has no answer");
    free(huge);
}

static void configs(void) {
    static const char *const none[] = {NULL};
    static const char *const no_table[] = {"config: expected a table", NULL};
    static const char *const several[] = {"user: unknown key", "users[0].password_hash: expected a string that is not empty",
                                          "users[1]: expected a table", "users[2].disabled: expected a boolean", NULL};
    faults faults = {{NULL}, 0};
    text deep;
    char *brackets = (char *)malloc(100000);
    memset(brackets, '[', 100000);
    deep.bytes = brackets;
    deep.length = 100000;
    expect(has_faults(of(CONFIG), none) && has_faults(of(""), none), "a good config is taken, and so is none");
    expect(has_faults(of("{\"user\": 1, \"users\": [{\"name\": \"a\"}, 2,"
                         "{\"name\": \"a\", \"password_hash\": \"b\", \"disabled\": 1}]}"),
                      several),
           "every fault of the config is named with its key");
    expect(has_faults(of("[]"), no_table) && has_faults(of("{"), no_table) && has_faults(deep, no_table),
           "what is no table is refused, however deep it is");
    /* More faults than are kept. */
    memset(brackets, '0', 100000);
    memcpy(brackets, "{\"users\":[1", 11);
    for (size_t at = 11; at + 2 < 100000; at += 2) memcpy(brackets + at, ",1", 2);
    memcpy(brackets + 99998, "]}", 2);
    brackets[99997] = '1';
    expect(users_read(deep, &faults) == NULL && faults.count == FAULTS_MAX, "there is an end to the faults");
    faults_free(&faults);
    free(brackets);
}

/* Whether a line of plugin.toml gives `key` the value that the manifest gives it. */
static int said(const char *toml, const char *key) {
    char line[256];
    const char *value, *end;
    snprintf(line, sizeof line, "\"%s\": ", key);
    value = strstr(MANIFEST, line);
    if (!value) return 0;
    value += strlen(line);
    end = *value == '[' ? strchr(value, ']') : strchr(value + 1, '"');
    snprintf(line, sizeof line, "%s = %.*s\n", key, (int)(end + 1 - value), value);
    return strstr(toml, line) != NULL;
}

static int manifest_is_plugin_toml(void) {
    char toml[4096];
    FILE *file = fopen("plugin.toml", "r");
    size_t length = file ? fread(toml, 1, sizeof toml - 1, file) : 0;
    if (file) fclose(file);
    toml[length] = 0;
    return said(toml, "name") && said(toml, "version") && said(toml, "kinds") && said(toml, "wants");
}

int main(void) {
    proofs();
    configs();
    expect(manifest_is_plugin_toml(), "plugin.toml and the manifest say the same");
    return failed;
}
