//! Which algorithm signs access tokens, and until when another one does.

use crate::cli::text;
use pintle::app::App;
use pintle::clock::UnixTime;
use pintle::config::model::Config;
use serde_json::Value;

/// What the report says of signatures.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Signing {
    /// None where no token is signed, or it is not known.
    pub algorithm: Option<String>,
    pub warning: Option<String>,
}

impl Signing {
    /// By the keys of a server that was wired on its store, or on none.
    pub fn of(app: &App) -> Self {
        let (keys, wanted) = (&app.core().keys, app.config().tokens.access.algorithm);
        let Some((now, _)) = keys.signing(wanted) else { return Self::default() };
        match keys.takes_over_at(wanted) {
            Some(from) => Self::until(wanted.name(), now.name(), Some(from)),
            None => Self::only(now.name()),
        }
    }

    /// By the keys of the server that runs, as `keys list` shows them.
    pub fn beside(config: &Config, keys: &[Value]) -> Self {
        if !signs(config) {
            return Self::default();
        }
        let wanted = config.tokens.access.algorithm.name();
        let is = |key: &Value, state: &str| key["state"] == state;
        let mut own = keys.iter().filter(|key| key["algorithm"] == wanted);
        let former = keys.iter().find(|key| is(key, "current")).and_then(|key| key["algorithm"].as_str());
        match former {
            Some(former) if !own.clone().any(|key| is(key, "current")) && !config.keys.publish_before.is_zero() => {
                let next = own.find(|key| is(key, "next")).and_then(|key| key["signs_from"].as_u64());
                Self::until(wanted, former, next.map(UnixTime))
            }
            // What signs at once where nothing else could.
            _ => Self::only(wanted),
        }
    }

    /// Where the store can neither be opened nor its server be asked.
    pub fn unknown(config: &Config) -> Self {
        let warning = "tokens.access.algorithm: the store is in use, so which key signs now is not known";
        Self { algorithm: None, warning: signs(config).then(|| warning.to_owned()) }
    }

    fn only(algorithm: &str) -> Self {
        Self { algorithm: Some(algorithm.to_owned()), warning: None }
    }

    /// `from`: none where that begins with the next start.
    fn until(wanted: &str, now: &str, from: Option<UnixTime>) -> Self {
        let when = match from {
            Some(from) => {
                format!("from {} on, once its key has been published for keys.publish_before", text::time(from.0))
            }
            None => "once its key, made at the next start, has been published for keys.publish_before".to_owned(),
        };
        let warning = format!("tokens.access.algorithm: {wanted} signs {when}; {now} until then");
        Self { algorithm: Some(now.to_owned()), warning: Some(warning) }
    }
}

fn signs(config: &Config) -> bool {
    config.tokens.access.format != "opaque"
}
