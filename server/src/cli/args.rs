//! What can be asked on the command line.

use super::exit::EXIT_CODES;
#[cfg(feature = "wasm")]
use super::plugin::args as bundles;
use super::user_rows::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use pintle::oauth::client::{ClientType, GrantType};
use std::net::IpAddr;
use std::path::PathBuf;

const ABOUT: &str = "Pintle, an identity server for OAuth 2 with plugins

Commands other than `serve` work beside a running server, through a socket in its data folder that only its own user \
can use, and without one, on the store itself. Give them the same --config and --overlay as the server.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "pintle", version, about = "Pintle, an identity server for OAuth 2 with plugins", long_about = ABOUT)]
#[command(after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub sources: Sources,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration is.
#[derive(Clone, Debug, Default, Args)]
pub struct Sources {
    /// The configuration file; without one, a development configuration on loopback
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A file laid over the configuration; may be repeated, the last one wins
    #[arg(long, global = true, value_name = "FILE")]
    pub overlay: Vec<PathBuf>,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    #[command(after_help = "Examples:
  pintle serve
  pintle serve --config /etc/pintle/pintle.toml
  pintle serve --config pintle.toml --overlay staging.toml

SIGTERM and SIGINT end it once the requests that run are answered, within listen.drain_timeout.
PINTLE_… variables override the configuration: PINTLE_LISTEN__ADDRESS=127.0.0.1:8081.")]
    Serve,
    /// Load everything without serving, and print what would run
    #[command(after_help = "Examples:
  pintle check --config pintle.toml
  pintle check --config pintle.toml --json

Exit code 3 with all errors where the configuration has any. A store that is there is opened, unless a server has it
open; where there is none, none is made. Plugins are compiled and kept in the data folder.")]
    Check {
        #[command(flatten)]
        output: Output,
    },
    /// The server's own accounts (builtin:accounts)
    User {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: UserCommand,
    },
    /// The accounts that are copied from plugins ([users] sync)
    Sync {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: SyncCommand,
    },
    /// Clients; those of the configuration are shown and cannot be changed by command
    Client {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: ClientCommand,
    },
    /// Look at tokens, and end them
    Token {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// The signing keys
    Keys {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Names and addresses with failed logins
    Lockout {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: LockoutCommand,
    },
    /// Read configuration and plugins anew, in a running server: all of it, or nothing where anything is wrong
    #[command(after_help = "Examples:
  pintle reload

The same as SIGHUP, with an answer: what has changed, and which keys need a restart.")]
    Reload {
        #[command(flatten)]
        output: Output,
    },
    /// Say why something goes as it does
    Explain {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: ExplainCommand,
    },
    /// Events that wait for plugins of the kind event-sink, and those that were given up
    Event {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: EventCommand,
    },
    /// Look after plugins, and make them
    Plugin {
        #[command(flatten)]
        output: Output,
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Examples:
  pintle completions bash > /etc/bash_completion.d/pintle
  pintle completions zsh > ~/.zfunc/_pintle")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// `pintle user …`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; asks for the password
    #[command(after_help = "Examples:
  pintle user add dory
  pintle user add dory --name 'Dory Blue' --email dory@example.com --group staff --group admins
  pass show dory | pintle user add dory --password-stdin")]
    Add(UserAdd),
    /// List the accounts, the oldest first
    #[command(after_help = "Examples:\n  pintle user list\n  pintle user list --json")]
    List,
    /// Show an account
    #[command(after_help = "Examples:\n  pintle user show dory")]
    Show(UserName),
    /// Set a new password, and end everything the user was given
    #[command(after_help = "Examples:\n  pintle user passwd dory\n  pintle user passwd dory --password-stdin < file")]
    Passwd {
        #[command(flatten)]
        user: UserName,
        /// Read the password from standard input, its first line, instead of asking
        #[arg(long)]
        password_stdin: bool,
    },
    /// Let nobody log in to the account any more, and end everything the user was given
    #[command(after_help = "Examples:\n  pintle user disable dory")]
    Disable(UserName),
    /// Let a disabled account log in again
    #[command(after_help = "Examples:\n  pintle user enable dory")]
    Enable(UserName),
    /// Remove an account, and end everything the user was given
    #[command(after_help = "Examples:\n  pintle user remove dory")]
    Remove(UserName),
    /// Make accounts of a file, with their password hashes; refused lines are reported
    #[command(after_help = "Examples:
  pintle user import users.csv --dry-run
  pintle user import users.jsonl --update
  other-system-export | pintle user import - --format jsonl

CSV has a line of column names: username, password_hash, name, email, groups (a;b, or a list in JSON), disabled.
JSON lines have the same as keys. A hash is an Argon2 PHC string; a login hashes it anew where its costs differ.
An id and created_at, as exports have them, are passed over. Exit code 1 where lines were refused.")]
    Import(UserImport),
    /// Write all accounts, with their password hashes, as CSV or JSON lines
    #[command(after_help = "Examples:
  pintle user export --output users.jsonl
  pintle user export --format csv --output users.csv

The file can be read by its owner only. Whoever has it can try passwords at leisure.")]
    Export(UserExport),
}

/// What to import.
#[derive(Debug, Args)]
pub struct UserImport {
    /// The file; - is standard input
    pub file: PathBuf,
    /// How it is written; by its name, if left out
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Change accounts that are there already, instead of refusing them; another password ends what they were given
    #[arg(long)]
    pub update: bool,
    /// Change nothing, and say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// Where to.
#[derive(Debug, Args)]
pub struct UserExport {
    /// How it is written; by the file's name, or JSON lines, if left out
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The file; standard output, if left out
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `pintle sync …`.
#[derive(Debug, Subcommand)]
pub enum SyncCommand {
    /// List the plugins whose accounts are synced, and how it went
    #[command(after_help = "Examples:\n  pintle sync list\n  pintle sync list --json")]
    List,
    /// Sync now, or go on with a run that was cut off
    #[command(after_help = "Examples:
  pintle sync run erp
  pintle sync run erp --full --dry-run
  pintle sync run erp --full --force

A run that would remove or disable more than refuse_removal_over is refused (exit code 1), and --force makes it
all the same.")]
    Run(SyncRunArgs),
}

/// Which run.
#[derive(Debug, Args)]
pub struct SyncRunArgs {
    /// The plugin's name
    pub plugin: String,
    /// Ask for all accounts instead of those that have changed: then the gone show
    #[arg(long)]
    pub full: bool,
    /// Whatever it removes or disables
    #[arg(long)]
    pub force: bool,
    /// Change nothing, and list the differences
    #[arg(long, conflicts_with = "force")]
    pub dry_run: bool,
}

/// Which account.
#[derive(Debug, Args)]
pub struct UserName {
    /// The user's name, or the account's id
    #[arg(value_name = "NAME")]
    pub user: String,
}

/// A new account.
#[derive(Debug, Args)]
pub struct UserAdd {
    /// The login name
    #[arg(value_name = "NAME")]
    pub username: String,
    /// A name to show
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// An e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// A group; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Read the password from standard input, its first line, instead of asking
    #[arg(long)]
    pub password_stdin: bool,
}

/// `pintle client …`.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// List the clients: those of the configuration, then those added by command
    #[command(after_help = "Examples:\n  pintle client list\n  pintle client list --json")]
    List,
    /// Add a client; prints the secret of a confidential one, this once
    #[command(after_help = "Examples:
  pintle client add billing --type confidential --grant client_credentials --scope read
  pintle client add api --type confidential --introspect
  pintle client add portal --type public --grant authorization_code --grant refresh_token --scope read --scope write \\
      --redirect-uri https://portal.example.com/callback --cors https://portal.example.com")]
    Add(Box<ClientAdd>),
    /// Give a client a new secret beside the one it has; prints it, this once
    #[command(after_help = "Examples:
  pintle client rotate-secret billing
  pintle client rotate-secret billing --drop-old

The former secret goes on working, so that the client can change over. Then --drop-old ends it.")]
    RotateSecret {
        /// The client's id
        id: String,
        /// End the older of two secrets; makes none
        #[arg(long)]
        drop_old: bool,
    },
    /// Remove a client that was added by command, and end everything it was given
    #[command(after_help = "Examples:\n  pintle client remove billing")]
    Remove {
        /// The client's id
        id: String,
    },
}

/// A new client.
#[derive(Debug, Args)]
pub struct ClientAdd {
    /// The client's id
    pub id: String,
    /// A name for people; the id, if left out
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Whether it can keep a secret
    #[arg(long = "type", value_enum)]
    pub client_type: TypeName,
    /// A grant it may use; may be repeated
    #[arg(long = "grant", value_enum, value_name = "GRANT")]
    pub grants: Vec<GrantName>,
    /// A plugin's grant type that it may use; may be repeated
    #[arg(long = "extension-grant", value_name = "URI")]
    pub extension_grants: Vec<String>,
    /// A scope it may have; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// Where authorization answers may go; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI")]
    pub redirect_uris: Vec<String>,
    /// An origin of its browser applications; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<String>,
    /// First-party: it may handle users' passwords
    #[arg(long)]
    pub trusted: bool,
    /// It may introspect tokens that are not its own
    #[arg(long)]
    pub introspect: bool,
}

/// RFC 6749 §2.1.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TypeName {
    Confidential,
    Public,
}

impl From<TypeName> for ClientType {
    fn from(name: TypeName) -> Self {
        match name {
            TypeName::Confidential => Self::Confidential,
            TypeName::Public => Self::Public,
        }
    }
}

/// The values of `grant_type`.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum GrantName {
    AuthorizationCode,
    ClientCredentials,
    Password,
    RefreshToken,
}

impl From<GrantName> for GrantType {
    fn from(name: GrantName) -> Self {
        match name {
            GrantName::AuthorizationCode => Self::AuthorizationCode,
            GrantName::ClientCredentials => Self::ClientCredentials,
            GrantName::Password => Self::Password,
            GrantName::RefreshToken => Self::RefreshToken,
        }
    }
}

/// `pintle token …`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Say what introspection would, to a client that may see every token
    #[command(after_help = "Examples:\n  pintle token inspect - < token.txt\n  pintle token inspect --json eyJhbGciOi")]
    Inspect {
        /// The token; - reads it from standard input, where other users do not see it
        token: String,
    },
    /// End what a token, a user or a client was given
    #[command(after_help = "Examples:
  pintle token revoke - < token.txt
  pintle token revoke --user dory
  pintle token revoke --user ldap/uid=dory,ou=people
  pintle token revoke --client billing")]
    Revoke(TokenRevoke),
}

/// What to revoke.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct TokenRevoke {
    /// The token, with all that came of the same login; - reads it from standard input
    pub token: Option<String>,
    /// All of a user's: a user name, a sub, or backend/account id
    #[arg(long)]
    pub user: Option<String>,
    /// All of a client's
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
}

/// `pintle keys …`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the signing keys
    #[command(after_help = "Examples:\n  pintle keys list")]
    List,
    /// Publish new keys now; they sign once they have been published for keys.publish_before
    #[command(after_help = "Examples:
  pintle keys rotate
  pintle keys rotate --algorithm EdDSA --immediately

--immediately is for a compromised key: tokens it signed stop to be valid wherever the key set is fetched anew.")]
    Rotate {
        /// EdDSA, RS256 or ES256; without it all
        #[arg(long, value_name = "ALG")]
        algorithm: Option<String>,
        /// Withdraw every key that could still sign, with the tokens it signed
        #[arg(long)]
        immediately: bool,
    },
}

/// `pintle lockout …`.
#[derive(Debug, Subcommand)]
pub enum LockoutCommand {
    /// List names, clients and addresses with failed logins; names that no account or client has are not shown
    #[command(after_help = "Examples:\n  pintle lockout list")]
    List,
    /// Forget failed logins
    #[command(after_help = "Examples:
  pintle lockout release dory
  pintle lockout release --address 192.0.2.7
  pintle lockout release --client billing
  pintle lockout release --id a-000102030405060708090a0b0c0d0e0f
  pintle lockout release --all")]
    Release(LockoutRelease),
}

/// What to release.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct LockoutRelease {
    /// A user name
    #[arg(value_name = "NAME")]
    pub account: Option<String>,
    /// An address; of IPv6, its whole /64
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// A client, at every address
    #[arg(long, value_name = "CLIENT")]
    pub client: Option<String>,
    /// An entry by the id that `lockout list` shows
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Everything
    #[arg(long)]
    pub all: bool,
}

/// `pintle event …`.
#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// List events that no sink has taken yet, or dead letters, by sink, the oldest first
    #[command(after_help = "Examples:
  pintle event list
  pintle event list --sink hook
  pintle event list --dead --json")]
    List {
        /// Of this sink
        #[arg(long, value_name = "PLUGIN")]
        sink: Option<String>,
        /// List those that were given up: refused by the sink, or older than events.max_age
        #[arg(long)]
        dead: bool,
    },
    /// Deliver dead letters once more, with their ids
    #[command(after_help = "Examples:
  pintle event replay 018bcfe5680000001f2e3d4c5b6a7988
  pintle event replay --all --sink hook")]
    Replay(EventSelection),
    /// Remove dead letters for good
    #[command(after_help = "Examples:
  pintle event drop 018bcfe5680000001f2e3d4c5b6a7988
  pintle event drop --all --sink hook
  pintle event drop --all --sink former-hook --waiting")]
    Drop {
        #[command(flatten)]
        selection: EventSelection,
        /// Remove events that wait for delivery instead
        #[arg(long)]
        waiting: bool,
    },
}

/// Which events.
#[derive(Debug, Args)]
pub struct EventSelection {
    /// The event's id
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub id: Option<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// Only at this sink
    #[arg(long, value_name = "PLUGIN")]
    pub sink: Option<String>,
}

/// `pintle plugin …`.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    #[command(flatten)]
    Operate(PluginOperation),
    #[cfg(feature = "wasm")]
    #[command(flatten)]
    Make(PluginMaking),
}

/// What of `pintle plugin …` is for a plugin's vendor.
#[cfg(feature = "wasm")]
#[derive(Debug, Subcommand)]
pub enum PluginMaking {
    /// Make a Wasm component of a Rust crate or of a project in C, or a native library of a crate
    #[command(after_help = "Examples:
  pintle plugin build plugins/scope-rules
  pintle plugin build my-plugin --out-dir /etc/pintle/plugins
  pintle plugin build my-plugin --native
  pintle plugin build my-plugin --bundle

Prints the file and its SHA-256. A crate becomes a component with rustup's target wasm32-unknown-unknown
or with Debian's toolchain, whichever is there; a project in C with its Makefile's compiler: clang, or that of WASM_CC,
such as a wasi-sdk's. Where there is none, the error says what to install.")]
    Build(PluginBuild),
    /// Make a key pair to sign bundles with
    #[command(after_help = "Examples:
  pintle plugin keygen --out vendor.pem

The private key goes to a new file that only its owner can read; the public one is printed as trust.keys takes it.")]
    Keygen(bundles::Keygen),
    /// Put a built plugin into one file
    #[command(after_help = "Examples:
  pintle plugin bundle my-plugin/dist
  pintle plugin bundle plugin.toml config.schema.json my-plugin.wasm -o my-plugin-1.0.0.pintle
  pintle plugin bundle plugin.toml --lib x86_64-unknown-linux-gnu=libmy_plugin.so

From a folder: plugin.toml, config.schema.json and README.md (both optional), and one .wasm or lib/<target>.so.
The same contents give the same bytes. plugin-api/BUNDLE.md has the format.")]
    Bundle(bundles::BundleArgs),
    /// Sign a bundle; a second key may sign it too
    #[command(after_help = "Examples:
  pintle plugin sign my-plugin-1.0.0.pintle --key vendor.pem")]
    Sign(bundles::Sign),
    /// Whether a bundle is signed by a trusted key
    #[command(after_help = "Examples:
  pintle plugin verify my-plugin-1.0.0.pintle --config /etc/pintle/pintle.toml
  pintle plugin verify my-plugin-1.0.0.pintle --key ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=

Without --key the keys are those of [trust] in the configuration. Exit code 1 where none of them has signed.")]
    Verify(bundles::Verify),
    /// Show what is in a bundle, and who claims to have signed it
    #[command(after_help = "Examples:
  pintle plugin inspect my-plugin-1.0.0.pintle
  pintle plugin inspect my-plugin-1.0.0.pintle --json")]
    Inspect(bundles::Inspect),
    /// Load a plugin outside of any server, and let it check a configuration
    #[command(after_help = "Examples:
  pintle plugin check my-plugin-1.0.0.pintle
  pintle plugin check my-plugin.wasm --config-json '{}'
  pintle plugin check my-plugin-1.0.0.pintle --native

A native plugin is run with your rights: --native says that this is meant. No signature is asked for.")]
    Check(bundles::Check),
    /// Make a project for a plugin that builds, tests and loads as it is
    #[command(after_help = "Examples:
  pintle plugin new crm --lang rust
  pintle plugin new crm --lang c
  pintle plugin new crm --lang c --native
  pintle plugin new crm --lang js

The contract and the SDK are in the project, in sdk/. Its README.md has the commands to build and test it.")]
    New(PluginNew),
    /// Try a built plugin with the conformance kit, outside of any server, and print a report
    #[command(after_help = "Examples:
  pintle plugin test dist/crm.wasm
  pintle plugin test dist/crm.wasm --fixtures conformance.toml
  pintle plugin test libcrm.so --native --fixtures conformance.toml --json > report.json

The fixtures say what the plugin runs with: `config`, `secrets`, `upstream` (an origin, put in for {upstream} in the
config), `username`, `password`, `disabled`, `unknown`, `unicode`, `second`, `scopes`, `grant_params`. Exit code 1 where
a check fails. A native library runs with your rights: it needs --native.")]
    Test(PluginTrial),
    /// Time the calls of a built plugin, with fresh instances and with reused ones
    #[command(after_help = "Examples:\n  pintle plugin bench dist/crm.wasm --fixtures conformance.toml")]
    Bench(PluginTrial),
}

/// A new project.
#[cfg(feature = "wasm")]
#[derive(Debug, Args)]
pub struct PluginNew {
    /// The plugin's name, and the folder's: lower-case letters, digits and hyphens
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The language
    #[arg(long, value_enum)]
    pub lang: Language,
    /// A native library instead of a component: rust, c
    #[arg(long)]
    pub native: bool,
    /// The folder to make it in; the current one, if left out
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

/// The languages of `plugin new`.
#[cfg(feature = "wasm")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    C,
    Js,
    Python,
}

/// What to try.
#[cfg(feature = "wasm")]
#[derive(Debug, Args)]
pub struct PluginTrial {
    /// The plugin's file: a bundle, a component, or a native library
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A TOML file with the plugin's config and what it knows
    #[arg(long, value_name = "FILE")]
    pub fixtures: Option<PathBuf>,
    /// The plugin's config, instead of that of the fixtures
    #[arg(long, value_name = "JSON")]
    pub config_json: Option<String>,
    /// Run native code
    #[arg(long)]
    pub native: bool,
}

/// What to build.
#[cfg(feature = "wasm")]
#[derive(Debug, Args)]
pub struct PluginBuild {
    /// The folder of the crate, with its Cargo.toml, or of the project in C; with its plugin.toml
    #[arg(value_name = "DIR")]
    pub crate_dir: PathBuf,
    /// Where the plugin goes; pintle/ in the target folder, or dist/ of a project in C, if left out
    #[arg(long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Cargo's target folder; the crate's own, if left out
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<PathBuf>,
    /// Make a native library for this machine, of a crate
    #[arg(long)]
    pub native: bool,
    /// Make a bundle of it, with plugin.toml, config.schema.json and README.md of the folder
    #[arg(long)]
    pub bundle: bool,
    /// Fetch nothing
    #[arg(long)]
    pub offline: bool,
    /// Use the crate's Cargo.lock as it is
    #[arg(long)]
    pub locked: bool,
}

/// What of `pintle plugin …` is for the operator of a server.
#[derive(Debug, Subcommand)]
pub enum PluginOperation {
    /// List the plugins: how each is, which code it is, what its calls came to since it was loaded
    #[command(after_help = "Examples:\n  pintle plugin list\n  pintle plugin list --json")]
    List,
    /// Show where plugins in shadow answered otherwise than the live ones
    #[command(after_help = "Examples:
  pintle plugin diff
  pintle plugin diff new-ldap
  pintle plugin diff --json

A plugin whose entry says shadow = \"ldap\" is asked what ldap was asked, once that has answered; its answers are
compared and never used. The latest 500 differences of each are kept in the server's memory, until it is restarted or
the shadow changes. Each has the request's id, as the audit log has it.")]
    Diff {
        /// Only of this plugin in shadow
        name: Option<String>,
    },
    /// Read plugins and configuration anew, in a running server: all of it, or nothing where anything is wrong
    #[command(after_help = "Examples:
  pintle plugin reload
  pintle plugin reload erp

A plugin that is named has to be there and be well, even where it is as it was.")]
    Reload {
        /// The plugin's name in the configuration
        name: Option<String>,
    },
    /// Let no call through to a plugin: each is answered that it is unavailable. It lasts until it is enabled
    #[command(after_help = "Examples:\n  pintle plugin disable erp")]
    Disable {
        /// The plugin's name in the configuration
        name: String,
    },
    /// Let calls through to a disabled plugin again
    #[command(after_help = "Examples:\n  pintle plugin enable erp")]
    Enable {
        /// The plugin's name in the configuration
        name: String,
    },
}

/// `pintle explain …`.
#[derive(Debug, Subcommand)]
pub enum ExplainCommand {
    /// Say how a login would go: each backend asked, its verdict and why, and the scope decision
    #[command(after_help = "Examples:
  pintle explain login dory --client web
  pintle explain login dory --password-stdin --client web --scope read --scope write < file
  pintle explain login dory --no-password

The real backends are asked, which may count a wrong password themselves. This server counts none, and issues nothing.")]
    Login(ExplainLogin),
}

/// Whose login.
#[derive(Debug, Args)]
pub struct ExplainLogin {
    /// The user's name, as typed
    #[arg(value_name = "NAME")]
    pub username: String,
    /// Read the password from standard input, its first line, instead of asking
    #[arg(long)]
    pub password_stdin: bool,
    /// Ask for no password: only directories are looked up
    #[arg(long, conflicts_with = "password_stdin")]
    pub no_password: bool,
    /// The client whose scope decision is wanted
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
    /// A scope that the client asks for; may be repeated. All that it may have, if left out
    #[arg(long = "scope", value_name = "SCOPE", requires = "client")]
    pub scopes: Vec<String>,
}
