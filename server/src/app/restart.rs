//! What a reload cannot change: it goes on as it is, and the operator is told.

use crate::config::model::{Config, Events, Keys, Lockout, Passwords, StoreOptions};

/// The configuration that a running server goes on with after reading `read`, and the keys of which it keeps the former
/// values until it is started again.
pub(super) fn keep(running: &Config, read: Config) -> (Config, Vec<&'static str>) {
    let kept = Config {
        data_dir: running.data_dir.clone(),
        listen: running.listen.clone(),
        keys: Keys { master: running.keys.master.clone(), ..read.keys.clone() },
        passwords: Passwords { failure_time: read.passwords.failure_time, ..running.passwords.clone() },
        lockout: Lockout { count_client_addresses: read.lockout.count_client_addresses, ..running.lockout.clone() },
        store: StoreOptions { cache_mib: running.store.cache_mib, ..read.store.clone() },
        log: running.log.clone(),
        events: Events { sinks: read.events.sinks.clone(), ..running.events.clone() },
        monitoring: running.monitoring.clone(),
        development: running.development.clone(),
        ..read.clone()
    };
    let differs = [
        ("data_dir", kept.data_dir != read.data_dir),
        ("listen", kept.listen != read.listen),
        ("keys.master", kept.keys.master != read.keys.master),
        ("passwords", kept.passwords != read.passwords),
        ("lockout", kept.lockout != read.lockout),
        ("store.cache_mib", kept.store.cache_mib != read.store.cache_mib),
        ("log", kept.log != read.log),
        ("events", kept.events != read.events),
        ("monitoring", kept.monitoring != read.monitoring),
        ("development", kept.development != read.development),
    ];
    let named = differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect();
    (kept, named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, LoadOptions};

    fn read(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        config::load(&LoadOptions { environment, ..LoadOptions::default() }).unwrap().config
    }

    #[test]
    fn what_needs_a_restart_is_named_and_stays_as_it_is() {
        for (variable, value, key) in [
            ("PINTLE_DATA_DIR", "elsewhere", "data_dir"),
            ("PINTLE_LISTEN__ADDRESS", "127.0.0.1:9", "listen"),
            ("PINTLE_LISTEN__IDLE_TIMEOUT", "9s", "listen"),
            ("PINTLE_PASSWORDS__QUEUE", "9", "passwords"),
            ("PINTLE_LOCKOUT__MAX_ENTRIES", "2000", "lockout"),
            ("PINTLE_STORE__CACHE_MIB", "9", "store.cache_mib"),
            ("PINTLE_LOG__FILTER", "warn", "log"),
            ("PINTLE_EVENTS__MAX_AGE", "9m", "events"),
            ("PINTLE_MONITORING__ADDRESS", "127.0.0.1:9", "monitoring"),
        ] {
            let running = read(&[]);
            let (kept, named) = keep(&running, read(&[(variable, value)]));
            assert_eq!(named, [key], "{variable}");
            let (again, named) = keep(&kept, read(&[]));
            assert!(named.is_empty(), "{variable}: what was kept is what ran");
            assert_eq!(again.listen, running.listen);
        }
    }

    #[test]
    fn the_rest_changes_without_one() {
        let (kept, named) = keep(
            &read(&[]),
            read(&[
                ("PINTLE_ISSUER", "https://other.example"),
                ("PINTLE_PASSWORDS__FAILURE_TIME", "9s"),
                ("PINTLE_LOCKOUT__COUNT_CLIENT_ADDRESSES", "true"),
                ("PINTLE_STORE__SWEEP_EVERY", "9s"),
                ("PINTLE_TOKENS__ACCESS__LIFETIME", "9s"),
                ("PINTLE_PATHS__TOKEN", "/other"),
            ]),
        );
        assert!(named.is_empty(), "{named:?}");
        let seconds = std::time::Duration::from_secs(9);
        assert_eq!((kept.issuer.as_str(), kept.paths.token), ("https://other.example", vec!["/other".to_owned()]));
        assert_eq!((kept.passwords.failure_time, kept.store.sweep_every), (seconds, seconds));
        assert_eq!((kept.tokens.access.lifetime, kept.lockout.count_client_addresses), (seconds, true));
    }
}
