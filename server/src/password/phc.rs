//! PHC strings of Argon2 (<https://github.com/P-H-C/phc-string-format>): read with bounds, written with ours.

use super::HashError;
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// Bytes of salt and of output of the hashes that we make.
pub(super) const SALT_BYTES: usize = 16;
pub(super) const OUTPUT_BYTES: usize = 32;

/// What a foreign hash may cost at most; what is configured may cost more.
pub(super) struct Ceiling {
    memory_kib: u32,
    passes_kib: u64,
    parallelism: u32,
}

impl Ceiling {
    /// Of hashes that are imported or configured: libsodium's MODERATE (256 MiB, 3 passes) still passes.
    pub const IMPORTED: Self = Self { memory_kib: 256 * 1024, passes_kib: 1024 * 1024, parallelism: 16 };
    /// Of hashes that a plugin brings: RFC 9106 §4's second choice (64 MiB, 3 passes) still passes.
    pub const PLUGIN: Self = Self { memory_kib: 64 * 1024, passes_kib: 256 * 1024, parallelism: 16 };
}

/// A variant of Argon2 and its costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Costs {
    pub algorithm: Algorithm,
    pub version: Version,
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

impl Costs {
    /// Argon2id, version 19, with these costs.
    pub const fn argon2id(memory_kib: u32, iterations: u32, parallelism: u32) -> Self {
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, memory_kib, iterations, parallelism }
    }

    /// The function, for an output of `output_bytes`.
    pub fn argon2(&self, output_bytes: usize) -> Result<Argon2<'static>, HashError> {
        // Before `Params`, whose `8 * p` must not overflow.
        if self.parallelism > Params::MAX_P_COST {
            return Err(HashError::Malformed("parallelism"));
        }
        let params = Params::new(self.memory_kib, self.iterations, self.parallelism, Some(output_bytes))
            .map_err(|_| HashError::Malformed("parameters"))?;
        Ok(Argon2::new(self.algorithm, self.version, params))
    }

    /// KiB written over all passes: what the time goes with.
    pub fn passes_kib(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.iterations)
    }

    /// Whether a foreign hash may be computed beside `own`, the configured costs.
    fn affordable(&self, own: &Self, ceiling: &Ceiling) -> bool {
        self.memory_kib <= own.memory_kib.max(ceiling.memory_kib)
            && self.passes_kib() <= own.passes_kib().max(ceiling.passes_kib)
            && self.parallelism <= own.parallelism.max(ceiling.parallelism)
    }
}

/// A PHC string, taken apart.
#[derive(Debug)]
pub(super) struct Phc {
    pub costs: Costs,
    pub salt: Vec<u8>,
    pub output: Vec<u8>,
}

impl Phc {
    /// Reads `text`; nothing is computed or allocated by what it asks for.
    pub fn parse(text: &str, own: &Costs, ceiling: &Ceiling) -> Result<Self, HashError> {
        let phc = PasswordHash::new(text).map_err(|_| HashError::Malformed("not a PHC string"))?;
        let algorithm =
            Algorithm::new(phc.algorithm.as_str()).map_err(|_| HashError::Malformed("algorithm is not Argon2"))?;
        // Strings without a version are from before 1.3.
        let version = Version::try_from(phc.version.unwrap_or(0x10)).map_err(|_| HashError::Malformed("version"))?;
        let cost = |name| phc.params.get_decimal(name).ok_or(HashError::Malformed("parameters"));
        let (memory_kib, iterations, parallelism) = (cost("m")?, cost("t")?, cost("p")?);
        if phc.params.iter().count() != 3 {
            return Err(HashError::Malformed("parameters"));
        }
        let costs = Costs { algorithm, version, memory_kib, iterations, parallelism };
        if !costs.affordable(own, ceiling) {
            return Err(HashError::TooCostly);
        }
        let salt = phc.salt.ok_or(HashError::Malformed("no salt"))?.to_vec();
        let output = phc.hash.ok_or(HashError::Malformed("no hash"))?.as_bytes().to_vec();
        costs.argon2(output.len())?;
        Ok(Self { costs, salt, output })
    }

    /// Whether we would make this hash otherwise today.
    pub fn is_outdated(&self, own: &Costs) -> bool {
        self.costs != *own || self.output.len() != OUTPUT_BYTES || self.salt.len() < SALT_BYTES
    }
}

/// The PHC string of these parts.
pub(super) fn write(costs: &Costs, salt: &[u8], output: &[u8]) -> String {
    format!(
        "${}$v={}$m={},t={},p={}${}${}",
        costs.algorithm,
        u32::from(costs.version),
        costs.memory_kib,
        costs.iterations,
        costs.parallelism,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(output)
    )
}
