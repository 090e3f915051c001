//! A user verifier that misbehaves as the user name asks. Other users it does not know.

use pintle_plugin_api::{
    Call, Manifest, Plugin, PluginError, UserVerifier, VerifyOutcome, VerifyRequest, export_plugin,
};

/// See the crate.
pub struct Hostile {
    /// It says of itself that it is not well.
    sick: bool,
}

impl Plugin for Hostile {
    const WANTS: &'static [&'static str] = &["crypto"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("hostile", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        Ok(Self { sick: config_json.contains("sick") })
    }

    fn health(&self, _call: &Call<'_>) -> Result<(), PluginError> {
        if self.sick { Err(PluginError::Unavailable("as configured".to_owned())) } else { Ok(()) }
    }
}

impl UserVerifier for Hostile {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        Ok(match request.username.as_deref().unwrap_or_default() {
            "loop" => endless(),
            "calls" => endless_host_calls(call),
            "bomb" => bomb(),
            "trap" => trap(),
            "hashes" => return endless_hashes(call, LARGEST),
            "costly" => return endless_hashes(call, TOO_LARGE),
            "huge" => VerifyOutcome::Rejected("x".repeat(10_000_000)),
            // Not hostile: the answers that a chain has to tell apart.
            "mine" => VerifyOutcome::Rejected("as asked".to_owned()),
            "down" => return Err(PluginError::Unavailable("as asked".to_owned())),
            _ => VerifyOutcome::UnknownUser,
        })
    }
}

fn endless() -> VerifyOutcome {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
    }
}

fn endless_host_calls(call: &Call<'_>) -> VerifyOutcome {
    loop {
        std::hint::black_box(call.host.now_ms());
    }
}

/// 64 MiB, four times: as much as a plugin's hash may cost, and one pass more.
const LARGEST: &str = "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const TOO_LARGE: &str = "$argon2id$v=19$m=65536,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

fn endless_hashes(call: &Call<'_>, phc: &str) -> Result<VerifyOutcome, PluginError> {
    loop {
        call.host.password_verify(phc, b"password")?;
    }
}

fn bomb() -> VerifyOutcome {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![std::hint::black_box(1_u8); 1 << 20]);
    }
}

#[expect(clippy::panic, reason = "what it is for")]
fn trap() -> VerifyOutcome {
    panic!("as asked");
}

export_plugin!(Hostile: user_verifier);
