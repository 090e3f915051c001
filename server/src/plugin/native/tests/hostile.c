/* A user verifier whose behaviour is the user name: what a hostile or broken library does to the server. */
#include "pintle_plugin.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const pintle_host *host;
    volatile int calls, inside, cancelled;
} instance_t;

static volatile int released;    /* lets hanging calls go on */
static volatile int late_status; /* what the host said to a call that was over */
static volatile int destroyed;
static volatile int created;
static volatile int finished; /* calls whose upstream did not answer */

static void free_owner(pintle_buf *buf) { free(buf->owner); }

static void say(pintle_buf *buf, const char *text) {
    buf->owner = strdup(text);
    buf->ptr = buf->owner;
    buf->len = strlen(text);
    buf->release = free_owner;
}

static int32_t create(const pintle_host *host, pintle_slice config, void **instance, pintle_buf *err) {
    if (memmem(config.ptr, config.len, "faulty", 6)) {
        say(err, "[\"faulty: is not a key\"]");
        return PINTLE_ERROR;
    }
    created++;
#ifdef SLOW_AGAIN
    if (created > 1) usleep(SLOW_AGAIN);
#endif
#ifdef BROKEN_AGAIN
    if (created == 2) return -3;
#endif
    instance_t *self = calloc(1, sizeof *self);
    self->host = host;
    *instance = self;
    return PINTLE_OK;
}

static int32_t ask(instance_t *self, uint64_t call_id, uint32_t method, const char *request) {
    pintle_buf answer = {0};
    int32_t status = self->host->call(self->host->ctx, call_id, method,
                                      (pintle_slice){(const uint8_t *)request, strlen(request)}, &answer);
    if (answer.release) answer.release(&answer);
    return status;
}

static int32_t ask_kv(instance_t *self, uint64_t call_id) {
    return ask(self, call_id, PINTLE_HOST_KV_GET, "{\"key\":\"k\"}");
}

/* Most of the call's time for a first request, and what is left for a second one. */
static void ask_upstream(instance_t *self, uint64_t call_id) {
    ask(self, call_id, PINTLE_HOST_HTTP_SEND, "{\"method\":\"GET\",\"url\":\"/\",\"timeout_ms\":250}");
    ask(self, call_id, PINTLE_HOST_HTTP_SEND, "{\"method\":\"GET\",\"url\":\"/\"}");
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

static void reject_with(pintle_buf *resp, int number) {
    char text[64];
    snprintf(text, sizeof text, "{\"rejected\":\"%d\"}", number);
    say(resp, text);
}

static int32_t call(void *instance, uint64_t call_id, uint32_t method, pintle_slice req, pintle_buf *resp) {
    instance_t *self = instance;
    char name[32] = "";
    const char *at = memmem(req.ptr, req.len, "\"username\":\"", 12);
    if (at) sscanf(at + 12, "%31[^\"]", name);
    if (method != PINTLE_VERIFY_USER) return PINTLE_UNSUPPORTED;
    self->calls++;
    if (!strcmp(name, "count")) return reject_with(resp, self->calls), PINTLE_OK;
    if (!strcmp(name, "kv")) return reject_with(resp, ask_kv(self, call_id)), PINTLE_OK;
    if (!strcmp(name, "foreign-id")) return reject_with(resp, ask_kv(self, call_id + 1)), PINTLE_OK;
    if (!strcmp(name, "no-id")) return reject_with(resp, ask_kv(self, 0)), PINTLE_OK;
    if (!strcmp(name, "error")) return say(resp, "{\"unavailable\":\"upstream\"}"), PINTLE_ERROR;
    if (!strcmp(name, "bad-error")) return say(resp, "accepted"), PINTLE_ERROR;
    if (!strcmp(name, "garbage")) return say(resp, "{\"accepted\":"), PINTLE_OK;
    if (!strcmp(name, "nothing")) return PINTLE_OK;
    if (!strcmp(name, "unsupported")) return PINTLE_UNSUPPORTED;
    if (!strcmp(name, "unknown-status")) return say(resp, "{\"accepted\":{\"account\":{\"id\":\"1\",\"username\":\"x\"}}}"), 77;
    if (!strcmp(name, "fatal")) return say(resp, "{\"accepted\":{\"account\":{\"id\":\"1\",\"username\":\"x\"}}}"), -7;
    if (!strcmp(name, "created")) return reject_with(resp, created), PINTLE_OK;
    if (!strcmp(name, "destroyed")) return reject_with(resp, destroyed), PINTLE_OK;
    if (!strcmp(name, "upstream")) return ask_upstream(self, call_id), say(resp, "\"unknown_user\""), PINTLE_OK;
    if (!strcmp(name, "finished")) return reject_with(resp, finished), PINTLE_OK;
    if (!strcmp(name, "late-status")) return reject_with(resp, late_status), PINTLE_OK;
    if (!strcmp(name, "release")) return released = 1, reject_with(resp, 0), PINTLE_OK;
    if (!strcmp(name, "big")) {
        resp->owner = calloc(1, 10000000);
        resp->ptr = resp->owner;
        resp->len = 10000000;
        resp->release = free_owner;
        return PINTLE_OK;
    }
    if (!strcmp(name, "hang")) {
        if (self->inside++) abort(); /* two calls at once, though this is not THREADSAFE */
        while (!released) usleep(1000);
        self->inside--;
        late_status = ask_kv(self, call_id);
        return say(resp, "\"unknown_user\""), PINTLE_OK;
    }
    if (!strcmp(name, "meet")) { /* returns once two calls are inside */
        __atomic_fetch_add(&self->inside, 1, __ATOMIC_SEQ_CST);
        while (self->inside < 2 && !self->cancelled) usleep(1000);
        return say(resp, "\"unknown_user\""), PINTLE_OK;
    }
    if (!strcmp(name, "polite")) {
        while (!self->cancelled) usleep(1000);
        self->cancelled = 0;
        return say(resp, "\"unknown_user\""), PINTLE_OK;
    }
    say(resp, "{\"accepted\":{\"account\":{\"id\":\"7\",\"username\":\"ann\"},\"amr\":[\"pwd\"]}}");
    return PINTLE_OK;
}

static void cancel(void *instance, uint64_t call_id) {
    (void)call_id;
    ((instance_t *)instance)->cancelled = 1;
}

static void destroy(void *instance) {
#ifdef DESTROY_WAITS
    while (!released) usleep(1000);
#endif
    destroyed++;
    free(instance);
}

#ifndef MAGIC
#define MAGIC PINTLE_MAGIC
#endif
#ifndef MAJOR
#define MAJOR PINTLE_ABI_MAJOR
#endif
#ifndef SIZE
#define SIZE sizeof(pintle_plugin)
#endif
#ifndef MANIFEST
#define MANIFEST "{\"name\":\"hostile\",\"version\":\"1.0.0\",\"kinds\":[\"user-verifier\"]}"
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef CALL
#define CALL call
#endif
#ifndef ENTRY
#define ENTRY pintle_plugin_entry_v1
#endif

PINTLE_EXPORT const pintle_plugin *ENTRY(void) {
    static const char manifest[] = MANIFEST;
    static const pintle_plugin table = {
        MAGIC, MAJOR, PINTLE_ABI_MINOR, SIZE, FLAGS, {(const uint8_t *)manifest, sizeof manifest - 1},
        create, CALL, cancel, destroy};
#ifdef NOTHING
    return NULL;
#else
    return &table;
#endif
}
