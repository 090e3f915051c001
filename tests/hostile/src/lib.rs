//! A user verifier that misbehaves as the user name asks. Other users it does not know.

use pintle_plugin_api::{
    Call, Manifest, Plugin, PluginError, UserVerifier, VerifyOutcome, VerifyRequest, export_plugin,
};

/// See the crate.
pub struct Hostile;

impl Plugin for Hostile {
    fn manifest() -> Manifest {
        Manifest::new::<Self>("hostile", env!("CARGO_PKG_VERSION"))
    }

    fn create(_config_json: &str) -> Result<Self, Vec<String>> {
        Ok(Self)
    }
}

impl UserVerifier for Hostile {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        Ok(match request.username.as_deref().unwrap_or_default() {
            "loop" => endless(),
            "calls" => endless_host_calls(call),
            "bomb" => bomb(),
            "trap" => trap(),
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
