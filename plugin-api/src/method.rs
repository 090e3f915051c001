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
