/*
 * The C ABI of a native Pintle plugin, version 1.0.
 *
 * A plugin is a shared library that exports one function, pintle_plugin_entry_v1. It returns a table; the server checks
 * magic, major and size, reads manifest_json, and makes one instance for each [plugins.<name>] entry of its config.
 * What the methods mean is in pintle.wit, the contract, of which this file is the C form: it is in wit/ beside include/.
 *
 * PAYLOADS. Requests and answers are UTF-8 JSON without a byte order mark; slices are not NUL-terminated.
 *   - a record is an object; WIT's names in snake case (`request-id` is "request_id")
 *   - bytes (`list<u8>`) are a string of base64url without padding (RFC 4648 section 5)
 *   - a variant is {"case": value}; a case without a value is the string "case"
 *   - an absent option is left out of its object; as a whole answer it is null
 *   - an attr list (`list<tuple<string, string>>`) is [["name", "value"], ...]
 *   - a field left out means false, 0, "" or []; unknown fields are ignored
 *   - `claims_json`, `client_json`, `meta_json` and the like stay strings that hold JSON
 *   - an answer without a value is null; an empty buffer counts as null
 * A request is an object with the parameters by name; the context of a call is "ctx". Example, PINTLE_VERIFY_USER:
 *   request  {"ctx": {"request_id": "r1", "deadline_ms": 3000},
 *             "request": {"username": "ann", "kind": "password", "secret": "aHVudGVyMg"}}
 *   answer   {"accepted": {"account": {"id": "7", "username": "ann"}, "amr": ["pwd"]}}
 *       or   {"rejected": "wrong password"}   or   "unknown_user"
 *
 * STATUS. What every function that returns int32_t returns:
 *   PINTLE_OK           resp holds the answer
 *   PINTLE_ERROR        resp holds a typed error: {"unavailable": "why"}, {"invalid": "why"}, {"denied": "why"} or
 *                       {"internal": "why"}. From `create` and PINTLE_VALIDATE_CONFIG it is instead a JSON list of
 *                       strings, each one fault of the config
 *   PINTLE_UNSUPPORTED  the method is not known here; resp is empty
 *   below 0             fatal. From a plugin: the instance is broken and gets destroyed, no further call is made. From
 *                       the host: the call is over (cancelled, or its call_id is not known); return soon
 * No error ever means "accept".
 *
 * OWNERSHIP. A slice belongs to the caller and is valid until the function returns. A pintle_buf is zeroed by the
 * caller, filled by the callee; the memory stays the callee's, and whoever received it calls release(buf) exactly once
 * when release is not NULL. `release` may be called on any thread, after the call and after the instance's `destroy`.
 *
 * THREADS. The server calls an instance on threads of its own, one call at a time unless PINTLE_THREADSAFE is set;
 * consecutive calls may be on different threads. `cancel` may come at any time, on any thread, also during a call.
 * A plugin may call the host on any thread, with the call_id that it is answering, until it returns from that call.
 * call_id 0 is "outside of any call" (in `create`, `destroy` and background threads): only log, clock, random and config
 * answer then, the rest is {"denied": ...}. Several threads may call the host at once.
 *
 * LIFE. create -> any number of call/cancel -> destroy. The pintle_host is valid until `destroy` returns. An instance
 * whose call did not return is never destroyed. The library is never unloaded. Nothing may unwind (C++ exceptions, Rust
 * panics) or longjmp out of these functions: in C++, `pintle_guarded` below is the way. Where something is thrown out of one
 * all the same, the server goes on without the thread that it came on, and after three such calls without the plugin. It
 * cannot do so for what is thrown out of a `noexcept` function, an initializer or a thread of the plugin's own: that ends
 * the server, as does a wrong pointer. A second release of one of the host's buffers does nothing.
 */
#ifndef PINTLE_PLUGIN_H
#define PINTLE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define PINTLE_EXPORT __declspec(dllexport)
#else
#define PINTLE_EXPORT __attribute__((visibility("default")))
#endif

/* The eight bytes of pintle_plugin.magic, "PINTLE" and two NULs: usable as an initializer in C and C++. */
#define PINTLE_MAGIC "PINTLE\0"
/* The server refuses another major; a higher minor only adds at the end of the structs, and methods. */
#define PINTLE_ABI_MAJOR 1
#define PINTLE_ABI_MINOR 0

/* pintle_plugin.flags: several calls of one instance may run at once. */
#define PINTLE_THREADSAFE 1u

#define PINTLE_OK 0
#define PINTLE_ERROR 1
#define PINTLE_UNSUPPORTED 2
#define PINTLE_FATAL (-1)

/* Methods of a plugin: request -> answer. A number is never given out again. */
#define PINTLE_VALIDATE_CONFIG 1u /* {"json"} -> null; the typed error is a list of strings */
#define PINTLE_HEALTH 2u          /* {"ctx"} -> null */
#define PINTLE_VERIFY_USER 16u    /* {"ctx", "request"} -> user-verifier.outcome */
#define PINTLE_EVALUATE_SCOPE 32u /* {"ctx", "request"} -> scope-policy.decision */
#define PINTLE_ISSUE_TOKEN 48u    /* {"ctx", "claims_json", "key_id"} -> token-format.issued */
#define PINTLE_VALIDATE_TOKEN 49u /* {"ctx", "token"} -> token-format.verdict */
#define PINTLE_LOOKUP_ACCOUNT 64u /* {"ctx", "by", "value"} -> account or null */
#define PINTLE_ENRICH_CLAIMS 80u  /* {"ctx", "account", "scopes", "target"} -> [["name", "value as JSON"], ...] */
#define PINTLE_PULL_ACCOUNTS 96u  /* {"ctx", "cursor"?, "limit"} -> account-source.page */
#define PINTLE_DELIVER_EVENTS 112u /* {"ctx", "batch"} -> ["id", ...], those delivered */
#define PINTLE_GRANT_TYPES 128u   /* {} -> ["urn:...", ...] */
#define PINTLE_EXCHANGE 129u      /* {"ctx", "grant_type", "params"} -> extension-grant.outcome */

/* Methods of the host: request -> answer. What the operator did not grant answers {"denied": ...}. */
#define PINTLE_HOST_LOG_EMIT 256u           /* {"level", "message", "fields"} -> null */
#define PINTLE_HOST_CLOCK_NOW_MS 272u       /* {} -> number */
#define PINTLE_HOST_CLOCK_MONOTONIC_MS 273u /* {} -> number */
#define PINTLE_HOST_RANDOM_BYTES 288u       /* {"count"}, at most 4096 -> base64url */
#define PINTLE_HOST_CONFIG_JSON 304u        /* {} -> string */
#define PINTLE_HOST_KV_GET 320u             /* {"key"} -> {"value", "version"} or null */
#define PINTLE_HOST_KV_PUT 321u             /* {"key", "value", "ttl_s"?, "if_version"?} -> number, the new version */
#define PINTLE_HOST_KV_DELETE 322u          /* {"key"} -> null */
#define PINTLE_HOST_PASSWORD_VERIFY 336u    /* {"phc", "password"} -> boolean */
#define PINTLE_HOST_SIGN 337u               /* {"key_id", "alg", "input"} -> base64url; only inside ISSUE_TOKEN */
#define PINTLE_HOST_VERIFY_SIGNATURE 338u   /* {"key_id", "alg", "input", "signature"} -> boolean */
#define PINTLE_HOST_ACCOUNT_LOOKUP 352u     /* {"by", "value"} -> account or null */
#define PINTLE_HOST_ACCOUNT_VERIFY 353u     /* {"username", "password"} -> accounts.verdict */
#define PINTLE_HOST_SECRET_GET 368u         /* {"name"} -> base64url */
#define PINTLE_HOST_HTTP_SEND 384u          /* {"method", "url", "headers", "body", "timeout_ms"} -> http.response; a
                                             * header is ["name", {"text": "..."}] or ["name", {"secret": "Bearer {key}"}] */

/* Borrowed bytes. ptr may be NULL when len is 0. */
typedef struct pintle_slice {
    const uint8_t *ptr;
    size_t len;
} pintle_slice;

/* An answer. All zero is an empty one. `owner` is for `release` alone. */
typedef struct pintle_buf {
    uint8_t *ptr;
    size_t len;
    void *owner;
    void (*release)(struct pintle_buf *buf);
} pintle_buf;

/* What the host offers. Only `size` bytes may be read. */
typedef struct pintle_host {
    uint32_t size; /* of this struct, as the server has it */
    uint16_t major;
    uint16_t minor;
    void *ctx; /* handed back to `call` */
    /* `call_id`: of the call being answered, or 0. Blocks until the answer is there. */
    int32_t (*call)(void *ctx, uint64_t call_id, uint32_t method, pintle_slice req, pintle_buf *resp);
} pintle_host;

/* What a plugin offers. Static: valid and unchanged for as long as the process lives. */
typedef struct pintle_plugin {
    char magic[8];  /* PINTLE_MAGIC */
    uint16_t major; /* PINTLE_ABI_MAJOR */
    uint16_t minor; /* PINTLE_ABI_MINOR */
    uint32_t size;  /* sizeof(pintle_plugin) */
    uint32_t flags; /* PINTLE_THREADSAFE or 0 */
    /* {"name": "ldap", "version": "1.2.3", "kinds": ["user-verifier"], "wants": ["kv"]}, as lifecycle.describe */
    pintle_slice manifest_json;
    /* `config`: the operator's table as JSON, {} where there is none. PINTLE_OK fills *instance (which may be NULL),
     * PINTLE_ERROR fills err with a list of strings and makes no instance. */
    int32_t (*create)(const pintle_host *host, pintle_slice config, void **instance, pintle_buf *err);
    /* `call_id`: unique among the calls of the instance, never 0. */
    int32_t (*call)(void *instance, uint64_t call_id, uint32_t method, pintle_slice req, pintle_buf *resp);
    /* Asks for a soon return of a call, which may be over already. NULL where the plugin cannot. */
    void (*cancel)(void *instance, uint64_t call_id);
    /* Called once, with no call running. */
    void (*destroy)(void *instance);
} pintle_plugin;

/* The entry: no other symbol is looked up. NULL means that the plugin cannot run here. */
PINTLE_EXPORT const pintle_plugin *pintle_plugin_entry_v1(void);

#ifdef __cplusplus
}

#if defined(__cpp_exceptions)
/* Calls `f`, and stops whatever it throws: then the status is fatal, and the instance is made anew.
 *   int32_t call(void *self, ...) { return pintle_guarded([&] { return static_cast<Plugin *>(self)->answer(...); }); } */
template <typename F> int32_t pintle_guarded(F &&f) noexcept {
    try {
        return f();
    } catch (...) {
        return PINTLE_FATAL;
    }
}
#endif
#endif

#endif /* PINTLE_PLUGIN_H */
