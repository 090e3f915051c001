//! What must hold between keys. A rule stays silent where a key that it builds on is wrong already.

mod clients;
mod listen;
mod plugins;

use super::model::Config;
use super::path::KeyPath;
use super::read::brief;
use super::report::Report;
use std::time::Duration;

/// Notes every contradiction.
pub(super) fn check(config: &Config, report: &Report<'_>) {
    let check = Check { config, report };
    check.listeners();
    check.paths();
    check.limits();
    check.clients();
    check.default_client();
    check.plugins();
    check.development();
}

struct Check<'a> {
    config: &'a Config,
    report: &'a Report<'a>,
}

impl Check<'_> {
    fn error(&self, path: &KeyPath, found: impl Into<String>, expected: impl Into<String>) {
        self.report.error(path, found, expected, None);
    }

    fn sound(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| self.report.is_sound(&KeyPath::parse(path)))
    }

    fn limits(&self) {
        let (lockout, keys, passwords) = (&self.config.lockout, &self.config.keys, &self.config.passwords);
        self.at_least("lockout.max_delay", lockout.max_delay, "lockout.base_delay", lockout.base_delay);
        self.at_least("lockout.forget_after", lockout.forget_after, "lockout.max_delay", lockout.max_delay);
        self.at_least("keys.rotate_every", keys.rotate_every, "keys.publish_before", keys.publish_before);
        // RFC 9106 §3.1: eight blocks of 1 KiB for each lane.
        let least = passwords.parallelism.saturating_mul(8);
        if self.sound(&["passwords"]) && passwords.memory_kib < least {
            let expected = format!("at least {least}: 8 for each of passwords.parallelism");
            self.error(&KeyPath::parse("passwords.memory_kib"), format!("{}", passwords.memory_kib), expected);
        }
    }

    fn at_least(&self, key: &str, value: Duration, other: &str, least: Duration) {
        if self.sound(&[key, other]) && value < least {
            let (value, least) = (brief(value), brief(least));
            self.error(&KeyPath::parse(key), value, format!("at least {least}, as {other} is"));
        }
    }
}
