//! Abuse of the host interfaces, one at a time, by name. What came of it is the answer's reason.

use pintle_plugin_api::{Call, HeaderValue, Host, HttpRequest, PluginError};

/// A user name that begins so asks for an abuse: `abuse kv-key-empty`, `abuse http GET http://…`.
pub const PREFIX: &str = "abuse ";

/// Tries it, and says `ok …`, or the error.
pub fn tried(call: &Call<'_>, what: &str) -> Option<String> {
    let (name, rest) = what.split_once(' ').unwrap_or((what, ""));
    let outcome = kv(call.host, name).or_else(|| crypto(call.host, name)).or_else(|| other(call.host, name, rest))?;
    Some(outcome.map_or_else(|error| error.to_string(), |answer| format!("ok {answer}")))
}

type Outcome = Option<Result<String, PluginError>>;

fn shown(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// The host's largest key is 512 bytes, its largest value 32 KiB.
fn kv(host: &dyn Host, name: &str) -> Outcome {
    let put = |key: &str, bytes: usize| host.kv_put(key, &vec![0; bytes], None, None).map(shown);
    Some(match name {
        "kv-get" => host.kv_get("k").map(shown),
        "kv-put" => put("k", 1),
        "kv-delete" => host.kv_delete("k").map(shown),
        "kv-key-empty" => put("", 1),
        "kv-key-long" => put(&"k".repeat(513), 1),
        "kv-value-large" => put("k", 32 * 1024 + 1),
        "kv-conflict" => host.kv_put("k", b"v", None, Some(u64::MAX)).map(shown),
        // Keys are bytes: none of these is another's, or leads out of the plugin's table.
        "kv-key-odd" => odd_keys(host),
        "kv-fill" => Ok(fill(host)),
        _ => return None,
    })
}

fn odd_keys(host: &dyn Host) -> Result<String, PluginError> {
    let keys = ["a", "a\0", "a\r\n", "../a", "\u{1b}[2J", "\u{202e}a"];
    for (at, key) in keys.iter().enumerate() {
        host.kv_put(key, &[at as u8], Some(u32::MAX), None)?;
    }
    let found = keys.iter().map(|key| Ok(host.kv_get(key)?.map(|(value, _)| value)));
    Ok(shown(found.collect::<Result<Vec<_>, PluginError>>()?))
}

/// Puts keys until one is refused; then overwrites one, and puts one for another that is deleted.
fn fill(host: &dyn Host) -> String {
    let put = |key: &str| host.kv_put(key, b"v", None, None).map(drop);
    let (mut keys, mut refused) = (0, None);
    while refused.is_none() && keys < 1000 {
        match put(&format!("filler {keys}")) {
            Ok(()) => keys += 1,
            Err(error) => refused = Some(error),
        }
    }
    let changed = put("filler 0").and_then(|()| host.kv_delete("filler 0")).and_then(|()| put("one more"));
    let again = put("two more").is_err_and(|error| Some(&error) == refused.as_ref());
    let refused = refused.map(|error| error.to_string()).unwrap_or_default();
    format!("{keys} keys, {changed:?}, {again}, {refused}")
}

fn crypto(host: &dyn Host, name: &str) -> Outcome {
    let phc = |parameters: &str| {
        let phc = format!("$argon2id$v=19${parameters}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
        host.password_verify(&phc, b"password").map(shown)
    };
    Some(match name {
        "hash" => phc("m=8,t=1,p=1"),
        "hash-memory" => phc("m=4294967295,t=1,p=1"),
        "hash-time" => phc("m=8,t=4294967295,p=1"),
        "hash-lanes" => phc("m=134217720,t=1,p=16777215"),
        "hash-long" => host.password_verify(&"$".repeat(4097), b"password").map(shown),
        "hash-password-long" => host.password_verify("$argon2id$", &[0; 4097]).map(shown),
        "sign" => host.sign("any", "EdDSA", b"{}").map(shown),
        "verify" => host.verify("\0\r\n", "none\r\n", b"", b"").map(shown),
        _ => return None,
    })
}

fn other(host: &dyn Host, name: &str, rest: &str) -> Outcome {
    Some(match name {
        "random" => Ok(shown(host.random(u32::MAX).len())),
        "secret" => host.secret(rest).map(|secret| shown(secret.len())),
        "account" => host.account_lookup("id", "x").map(shown),
        "account-by" => host.account_lookup("password", "x").map(shown),
        "account-long" => host.account_lookup("username", &"x".repeat(4097)).map(shown),
        "account-verify" => host.account_verify("nobody", b"x").map(shown),
        "account-verify-long" => host.account_verify("nobody", &[0; 4097]).map(shown),
        "http" => get(host, rest, vec![], vec![]),
        "http-header" => {
            let (url, header) = rest.split_once(' ').unwrap_or((rest, ""));
            let (name, value) = header.split_once('=').unwrap_or((header, ""));
            get(host, url, vec![(name.to_owned(), HeaderValue::Text(value.to_owned()))], vec![])
        }
        "http-many-headers" => {
            let header = |at| (format!("x-{at}"), HeaderValue::Text("x".to_owned()));
            get(host, rest, (0..65).map(header).collect(), vec![])
        }
        "http-secret" => {
            let header = ("x".to_owned(), HeaderValue::Secret("{other}".to_owned()));
            get(host, rest, vec![header], vec![])
        }
        "http-body" => get(host, rest, vec![], vec![b'x'; (4 << 20) + 1]),
        _ => return None,
    })
}

fn get(host: &dyn Host, url: &str, headers: Vec<(String, HeaderValue)>, body: Vec<u8>) -> Result<String, PluginError> {
    let request =
        HttpRequest { method: "GET".to_owned(), url: url.to_owned(), headers, body: body.into(), timeout_ms: 500 };
    host.http_send(&request).map(|response| response.status.to_string())
}
