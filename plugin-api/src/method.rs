//! The native packaging's method numbers: which WIT function a `call` is. A number is never given out again.

/// `lifecycle.validate-config`: `{"json"}` to `null`; a typed error is a list of strings.
pub const VALIDATE_CONFIG: u32 = 1;
/// `lifecycle.health`: `{"ctx"}` to `null`.
pub const HEALTH: u32 = 2;
/// `user-verifier.verify`: `{"ctx", "request"}` to a `VerifyOutcome`.
pub const VERIFY_USER: u32 = 16;
/// `scope-policy.evaluate`: `{"ctx", "request"}` to a `ScopeDecision`.
pub const EVALUATE_SCOPE: u32 = 32;
/// `token-format.issue`: `{"ctx", "claims_json", "key_id"}` to an `IssuedToken`.
pub const ISSUE_TOKEN: u32 = 48;
/// `token-format.validate`: `{"ctx", "token"}` to a `TokenVerdict`.
pub const VALIDATE_TOKEN: u32 = 49;
/// `directory.lookup`: `{"ctx", "by", "value"}` to an `Account` or `null`.
pub const LOOKUP_ACCOUNT: u32 = 64;
/// `claims.enrich`: `{"ctx", "account", "scopes", "target"}` to a list of `[name, JSON]`.
pub const ENRICH_CLAIMS: u32 = 80;
/// `account-source.pull`: `{"ctx", "cursor"?, "limit"}` to a `SourcePage`.
pub const PULL_ACCOUNTS: u32 = 96;
/// `event-sink.deliver`: `{"ctx", "batch"}` to a list of ids.
pub const DELIVER_EVENTS: u32 = 112;
/// `extension-grant.grant-types`: `{}` to a list of strings.
pub const GRANT_TYPES: u32 = 128;
/// `extension-grant.exchange`: `{"ctx", "grant_type", "params"}` to an `ExtensionOutcome`.
pub const EXCHANGE: u32 = 129;

/// Host `log.emit`: `{"level", "message", "fields"}` to `null`.
pub const LOG_EMIT: u32 = 256;
/// Host `clock.now-ms`: `{}` to a number.
pub const CLOCK_NOW_MS: u32 = 272;
/// Host `clock.monotonic-ms`: `{}` to a number.
pub const CLOCK_MONOTONIC_MS: u32 = 273;
/// Host `random.bytes`: `{"count"}` to base64url.
pub const RANDOM_BYTES: u32 = 288;
/// Host `config.json`: `{}` to a string.
pub const CONFIG_JSON: u32 = 304;
/// Host `kv.get`: `{"key"}` to `{"value", "version"}` or `null`.
pub const KV_GET: u32 = 320;
/// Host `kv.put`: `{"key", "value", "ttl_s"?, "if_version"?}` to a number.
pub const KV_PUT: u32 = 321;
/// Host `kv.delete`: `{"key"}` to `null`.
pub const KV_DELETE: u32 = 322;
/// Host `crypto.password-verify`: `{"phc", "password"}` to a boolean.
pub const PASSWORD_VERIFY: u32 = 336;
/// Host `crypto.sign`: `{"key_id", "alg", "input"}` to base64url.
pub const SIGN: u32 = 337;
/// Host `crypto.verify`: `{"key_id", "alg", "input", "signature"}` to a boolean.
pub const VERIFY_SIGNATURE: u32 = 338;
/// Host `accounts.lookup`: `{"by", "value"}` to an `Account` or `null`.
pub const ACCOUNT_LOOKUP: u32 = 352;
/// Host `accounts.verify`: `{"username", "password"}` to an `AccountVerdict`.
pub const ACCOUNT_VERIFY: u32 = 353;
/// Host `secrets.get`: `{"name"}` to base64url.
pub const SECRET_GET: u32 = 368;
/// Host `http.send`: an `HttpRequest` to an `HttpResponse`.
pub const HTTP_SEND: u32 = 384;

/// Every method by its name in `include/pintle_plugin.h`.
pub const NAMED: [(&str, u32); 27] = [
    ("PINTLE_VALIDATE_CONFIG", VALIDATE_CONFIG),
    ("PINTLE_HEALTH", HEALTH),
    ("PINTLE_VERIFY_USER", VERIFY_USER),
    ("PINTLE_EVALUATE_SCOPE", EVALUATE_SCOPE),
    ("PINTLE_ISSUE_TOKEN", ISSUE_TOKEN),
    ("PINTLE_VALIDATE_TOKEN", VALIDATE_TOKEN),
    ("PINTLE_LOOKUP_ACCOUNT", LOOKUP_ACCOUNT),
    ("PINTLE_ENRICH_CLAIMS", ENRICH_CLAIMS),
    ("PINTLE_PULL_ACCOUNTS", PULL_ACCOUNTS),
    ("PINTLE_DELIVER_EVENTS", DELIVER_EVENTS),
    ("PINTLE_GRANT_TYPES", GRANT_TYPES),
    ("PINTLE_EXCHANGE", EXCHANGE),
    ("PINTLE_HOST_LOG_EMIT", LOG_EMIT),
    ("PINTLE_HOST_CLOCK_NOW_MS", CLOCK_NOW_MS),
    ("PINTLE_HOST_CLOCK_MONOTONIC_MS", CLOCK_MONOTONIC_MS),
    ("PINTLE_HOST_RANDOM_BYTES", RANDOM_BYTES),
    ("PINTLE_HOST_CONFIG_JSON", CONFIG_JSON),
    ("PINTLE_HOST_KV_GET", KV_GET),
    ("PINTLE_HOST_KV_PUT", KV_PUT),
    ("PINTLE_HOST_KV_DELETE", KV_DELETE),
    ("PINTLE_HOST_PASSWORD_VERIFY", PASSWORD_VERIFY),
    ("PINTLE_HOST_SIGN", SIGN),
    ("PINTLE_HOST_VERIFY_SIGNATURE", VERIFY_SIGNATURE),
    ("PINTLE_HOST_ACCOUNT_LOOKUP", ACCOUNT_LOOKUP),
    ("PINTLE_HOST_ACCOUNT_VERIFY", ACCOUNT_VERIFY),
    ("PINTLE_HOST_SECRET_GET", SECRET_GET),
    ("PINTLE_HOST_HTTP_SEND", HTTP_SEND),
];
