//! Shipping it: `plugin test`, `bench`, bundle, signature, and the operator's configuration.
//!
//! # Trying what was built
//!
//! `cargo test` has tried the source. `pintle plugin test` tries the file, loaded as a server loads it, against a real CRM or a
//! stand-in that you start; `conformance.toml` says what it runs with. The origin of `upstream` is granted to the plugin:
//!
//! ```toml
//! username = "ann"          # the CRM accepts her with `password`
//! password = "correct horse"
//! disabled = "bob"          # is known, and inactive
//! unknown = "nobody"
//! upstream = "http://127.0.0.1:8069"
//! secrets = { api_key = "test-key" }
//!
//! [config]
//! departments = [{ name = "sales", scopes = ["read", "admin"] }]
//! ```
//!
//! ```text
//! pintle plugin build .
//! pintle plugin test target/pintle/crm.wasm --fixtures conformance.toml
//! pintle plugin bench target/pintle/crm.wasm --fixtures conformance.toml
//! ```
//!
//! Beside the checks of `conformance::run` it loads the file anew, calls it from 32 threads, lets the upstream be down and hang,
//! and takes the host's services away: an answer may become `unavailable`, and no other. The report (`--json` for a machine) is
//! what you show to an operator; exit code 1 means that a check failed. `bench` prints calls per second, the median and the
//! slowest hundredth, for fresh instances and for reused ones, which tells whether `reuse` is worth it.
//!
//! # One file, signed
//!
//! ```text
//! pintle plugin keygen --out vendor.pem                 # once; prints the public key
//! pintle plugin build . --bundle                        # target/pintle/crm-0.1.0.pintle
//! pintle plugin sign target/pintle/crm-0.1.0.pintle --key vendor.pem
//! pintle plugin inspect target/pintle/crm-0.1.0.pintle
//! pintle plugin check target/pintle/crm-0.1.0.pintle --config-json '{"cache_s": 30}'
//! pintle plugin test target/pintle/crm-0.1.0.pintle --fixtures conformance.toml
//! ```
//!
//! The bundle has the component, `plugin.toml`, `config.schema.json` and `README.md`. `vendor.pem` is the private key: it stays
//! with you, the printed `ed25519:…` goes to your operators by another way than the bundle does. A new version gets a higher
//! `version` in `Cargo.toml` and `plugin.toml`: a server refuses a lower one than it ran last.
//!
//! # The operator's configuration
//!
//! Nothing is granted that does not stand here. Write it into the bundle's `README.md`, with the reason for each grant:
//!
//! ```toml
//! [trust]
//! keys = ["ed25519:…"]                              # the vendor's
//!
//! [plugins.crm]
//! source = "crm-0.1.0.pintle"
//! network = ["https://crm.example.com"]             # the only origin, so that requests name paths
//! secrets = { api_key = { file = "crm.key" } }
//! allow = ["kv"]                                    # the cache
//! config = { cache_s = 30, departments = [{ name = "sales", scopes = ["orders"] }] }
//! limits = { timeout = "2s", concurrency = 16 }
//!
//! [users]
//! chain = ["crm"]                                   # verifier, and directory at every refresh
//!
//! [scopes]
//! policies = ["crm"]
//!
//! [claims]
//! sources = ["crm"]
//! ```
//!
//! `pintle check --config pintle.toml` loads it without serving: it names what breaks the schema, and what the plugin wants and
//! is not granted.
