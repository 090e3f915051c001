//! What operators do by command: one function, whether a running server does it or the command itself.
//!
//! A running server takes commands at a unix socket in its data folder ([`server`]), one JSON object a line; where none
//! runs, the command opens the store and calls [`execute`] itself.

pub mod client;
mod clients;
mod error;
mod events;
mod explain;
mod import;
mod keys;
mod live;
mod lockout;
mod pages;
mod plugins;
mod secret;
pub mod server;
pub mod sync;
#[cfg(test)]
mod tests;
mod tokens;
mod users;
mod wire;

pub use clients::NewClient;
pub use error::{AdminError, ErrorKind};
pub use events::EventChoice;
pub use explain::Question;
pub use import::{ImportUsers, UserRow};
pub use live::{Live, execute_live};
pub use secret::SecretText;
pub use sync::{SyncPreview, SyncRun};
pub use tokens::RevokeTarget;
pub use users::NewUser;

use crate::audit::{AuditEvent, AuditKind};
use crate::flow::{Call, Core};
pub use crate::lockout::Release;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The socket's name in the data folder.
pub const SOCKET_FILE: &str = "admin.sock";

/// Entries of one page of a list. A page has `next` as long as there may be more: it goes into the next `after`.
const PAGE: usize = 256;

/// Where the server of this data folder takes commands.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET_FILE)
}

/// One command, as it goes over the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Makes an account.
    UserAdd(NewUser),
    /// Lists accounts, the oldest first.
    UserList {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Shows an account.
    UserShow {
        /// The name or id.
        user: String,
    },
    /// Sets a password and ends everything that the user was given.
    UserPasswd {
        /// The name or id.
        user: String,
        /// The new one.
        password: SecretText,
    },
    /// Disables an account and ends everything that the user was given.
    UserDisable {
        /// The name or id.
        user: String,
    },
    /// Lets a disabled account log in again.
    UserEnable {
        /// The name or id.
        user: String,
    },
    /// Removes an account and ends everything that the user was given.
    UserRemove {
        /// The name or id.
        user: String,
    },
    /// A page of accounts with their password hashes.
    UserExport {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Makes some accounts, or says what would become of them.
    UserImport(ImportUsers),
    /// Lists the plugins whose accounts are synced, and how their runs went.
    SyncList,
    /// Takes a step of a run.
    SyncRun(SyncRun),
    /// Says what a page of a run would change.
    SyncPreview(SyncPreview),
    /// A page of the accounts that are known of a plugin.
    SyncKnown {
        /// The plugin's name.
        plugin: String,
        /// The id that the page starts after.
        after: Option<String>,
    },
    /// Lists clients: those of the configuration, then those added by command.
    ClientList {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Adds a client; the answer has its secret, this once.
    ClientAdd(NewClient),
    /// Gives a client a further secret, or ends the older one of two.
    ClientRotateSecret {
        /// `client_id`.
        id: String,
        /// End the older one instead.
        drop_old: bool,
    },
    /// Removes a client that was added by command, and ends everything that it was given.
    ClientRemove {
        /// `client_id`.
        id: String,
    },
    /// Says what introspection would, to a client that may see every token.
    TokenInspect {
        /// The token.
        token: SecretText,
    },
    /// Ends what a token, a user or a client was given.
    TokenRevoke(RevokeTarget),
    /// Lists the signing keys.
    KeysList,
    /// Rotates signing keys.
    KeysRotate {
        /// `alg`; without it all.
        algorithm: Option<String>,
        /// Withdraw every key that could still sign, for a compromised one.
        immediately: bool,
    },
    /// Lists names and addresses with failed logins.
    LockoutList {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Forgets failed logins.
    LockoutRelease(Release),
    /// Reads configuration and plugins anew, all or nothing.
    Reload {
        /// A plugin that has to be well even where it is as it was.
        plugin: Option<String>,
    },
    /// Lists the plugins and how they are.
    PluginList,
    /// Switches a plugin off: its calls answer that it is unavailable. It stays off after a restart.
    PluginDisable {
        /// The entry's name.
        plugin: String,
    },
    /// Switches it on again.
    PluginEnable {
        /// The entry's name.
        plugin: String,
    },
    /// Lists where plugins in shadow answered otherwise than the live ones, since the start of the server.
    PluginDiff {
        /// Of one shadow.
        shadow: Option<String>,
    },
    /// Says how a login would go, and why. Nothing is issued or counted.
    ExplainLogin(Question),
    /// Lists events that wait for a sink, or dead letters, by sink, the oldest first.
    EventList {
        /// Of one sink.
        sink: Option<String>,
        /// Those that were given up.
        dead: bool,
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Lets dead letters wait for delivery once more.
    EventReplay(EventChoice),
    /// Removes dead letters, or events that wait.
    EventDrop {
        /// Which.
        choice: EventChoice,
        /// Those that wait, instead of dead letters.
        waiting: bool,
    },
}

impl Command {
    /// The name in the log, such as `user.add`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UserAdd(_) => "user.add",
            Self::UserList { .. } => "user.list",
            Self::UserShow { .. } => "user.show",
            Self::UserPasswd { .. } => "user.passwd",
            Self::UserDisable { .. } => "user.disable",
            Self::UserEnable { .. } => "user.enable",
            Self::UserRemove { .. } => "user.remove",
            Self::UserExport { .. } => "user.export",
            Self::UserImport(_) => "user.import",
            Self::SyncList => "sync.list",
            Self::SyncRun(_) => "sync.run",
            Self::SyncPreview(_) => "sync.preview",
            Self::SyncKnown { .. } => "sync.known",
            Self::ClientList { .. } => "client.list",
            Self::ClientAdd(_) => "client.add",
            Self::ClientRotateSecret { .. } => "client.rotate_secret",
            Self::ClientRemove { .. } => "client.remove",
            Self::TokenInspect { .. } => "token.inspect",
            Self::TokenRevoke(_) => "token.revoke",
            Self::KeysList => "keys.list",
            Self::KeysRotate { .. } => "keys.rotate",
            Self::LockoutList { .. } => "lockout.list",
            Self::LockoutRelease(_) => "lockout.release",
            Self::Reload { .. } => "reload",
            Self::PluginList => "plugin.list",
            Self::PluginDiff { .. } => "plugin.diff",
            Self::PluginDisable { .. } => "plugin.disable",
            Self::PluginEnable { .. } => "plugin.enable",
            Self::ExplainLogin(_) => "explain.login",
            Self::EventList { .. } => "event.list",
            Self::EventReplay(_) => "event.replay",
            Self::EventDrop { .. } => "event.drop",
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::UserList { .. }
                | Self::UserShow { .. }
                | Self::UserExport { .. }
                | Self::UserImport(ImportUsers { dry_run: true, .. })
                | Self::SyncList
                | Self::SyncPreview(_)
                | Self::SyncKnown { .. }
                | Self::ClientList { .. }
                | Self::TokenInspect { .. }
                | Self::KeysList
                | Self::LockoutList { .. }
                | Self::Reload { .. }
                | Self::PluginList
                | Self::PluginDiff { .. }
                | Self::ExplainLogin(_)
                | Self::EventList { .. }
        )
    }

    /// Whether it goes on with what an earlier one began, whose line the audit log has. (An import has one a batch.)
    const fn goes_on(&self) -> bool {
        match self {
            Self::SyncRun(run) => run.number.is_some(),
            Self::SyncPreview(preview) => preview.at.is_some(),
            Self::SyncKnown { .. } => true,
            Self::UserExport { after } => after.is_some(),
            _ => false,
        }
    }

    /// The command for the audit log: what it is about, and no secret. Whose a token is comes to light on the way.
    fn event(&self) -> AuditEvent {
        let event = AuditEvent::new(AuditKind::Admin).action(self.name());
        match self {
            Self::UserAdd(new) => event.username(&new.username),
            Self::UserShow { user }
            | Self::UserPasswd { user, .. }
            | Self::UserDisable { user }
            | Self::UserEnable { user }
            | Self::UserRemove { user }
            | Self::TokenRevoke(RevokeTarget::User(user))
            | Self::LockoutRelease(Release::Account(user)) => event.username(user),
            Self::ClientAdd(NewClient { id, .. })
            | Self::ClientRotateSecret { id, .. }
            | Self::ClientRemove { id }
            | Self::LockoutRelease(Release::Client(id))
            | Self::TokenRevoke(RevokeTarget::Client(id)) => event.client(id),
            Self::UserImport(import) => event.target(import.names()),
            Self::SyncRun(SyncRun { plugin, .. })
            | Self::SyncPreview(SyncPreview { plugin, .. })
            | Self::SyncKnown { plugin, .. } => event.target(plugin),
            Self::KeysRotate { algorithm, .. } => event.target(algorithm.as_deref().unwrap_or("all")),
            Self::LockoutRelease(Release::Address(ip)) => event.target(ip.to_string()),
            Self::LockoutRelease(Release::Entry(id)) => event.target(id),
            Self::LockoutRelease(Release::All) => event.target("all"),
            Self::PluginDisable { plugin }
            | Self::PluginEnable { plugin }
            | Self::PluginDiff { shadow: Some(plugin) }
            | Self::Reload { plugin: Some(plugin) } => event.target(plugin),
            Self::ExplainLogin(Question { username, client: Some(id), .. }) => event.username(username).client(id),
            Self::ExplainLogin(Question { username, .. }) => event.username(username),
            Self::EventReplay(choice) | Self::EventDrop { choice, .. } => event.target(choice.to_string()),
            Self::TokenInspect { .. }
            | Self::TokenRevoke(RevokeTarget::Token(_))
            | Self::UserList { .. }
            | Self::UserExport { .. }
            | Self::SyncList
            | Self::ClientList { .. }
            | Self::KeysList
            | Self::Reload { plugin: None }
            | Self::PluginList
            | Self::PluginDiff { shadow: None }
            | Self::LockoutList { .. }
            | Self::EventList { .. } => event,
        }
    }
}

/// Does what the command says, and writes it into the audit log. What is changed is durable when it returns.
///
/// The answer is the JSON that `--json` prints; of a list it is a page: `{ "items": […], "next": … }`.
///
/// # Errors
/// `Refused`, `NotFound`, `Unavailable`. Nothing was changed then, but where many entries are, or where the message says so.
pub async fn execute(core: &Core, command: Command) -> Result<Value, AdminError> {
    let (event, only_reads, goes_on) = (command.event(), command.only_reads(), command.goes_on());
    let call = Call::new("admin".to_owned(), None);
    let outcome = dispatch(core, &call, command).await;
    let event = core.with_facts(event, call.trail.facts());
    // A step of what goes on is neither an event nor a line of its own.
    let is_told = outcome.is_ok() && !only_reads && !goes_on;
    let told = if is_told { core.events.emit_durably(&event).await } else { Ok(()) };
    match &outcome {
        Ok(_) if goes_on => {}
        Ok(_) => core.audit.record(&event),
        Err(error) => core.audit.record(&event.error(error.kind.name())),
    }
    told.map_err(|error| AdminError::unavailable(format_args!("it is done, but {error}"))).and(outcome)
}

/// As [`execute`], with all pages of a list: the answer is then their items.
///
/// # Errors
/// As [`execute`].
pub async fn execute_all(core: &Core, command: Command) -> Result<Value, AdminError> {
    pages::all(command, async |command| execute(core, command).await).await
}

async fn dispatch(core: &Core, call: &Call, command: Command) -> Result<Value, AdminError> {
    match command {
        Command::UserAdd(new) => users::add(core, new).await,
        Command::UserList { after } => users::list(core, after.as_deref()).await,
        Command::UserShow { user } => users::show(core, &user).await,
        Command::UserPasswd { user, password } => users::passwd(core, &user, password).await,
        Command::UserDisable { user } => users::set_disabled(core, &user, true).await,
        Command::UserEnable { user } => users::set_disabled(core, &user, false).await,
        Command::UserRemove { user } => users::remove(core, &user).await,
        Command::UserExport { after } => import::export(core, after.as_deref()).await,
        Command::UserImport(users) => import::import(core, users).await,
        Command::SyncList => sync::list(core).await,
        Command::SyncRun(run) => sync::run(core, run).await,
        Command::SyncPreview(preview) => sync::preview(core, preview).await,
        Command::SyncKnown { plugin, after } => sync::known(core, &plugin, after.as_deref()).await,
        Command::ClientList { after } => clients::list(core, after.as_deref()).await,
        Command::ClientAdd(new) => changed(core, clients::add(core, new).await).await,
        Command::ClientRotateSecret { id, drop_old: false } => clients::rotate_secret(core, &id).await,
        Command::ClientRotateSecret { id, drop_old: true } => clients::drop_old_secret(core, &id).await,
        Command::ClientRemove { id } => changed(core, clients::remove(core, &id).await).await,
        Command::TokenInspect { token } => tokens::inspect(core, call, &token).await,
        Command::TokenRevoke(target) => tokens::revoke(core, call, target).await,
        Command::KeysList => keys::list(core),
        Command::KeysRotate { algorithm, immediately } => keys::rotate(core, algorithm.as_deref(), immediately).await,
        Command::LockoutList { after } => lockout::list(core, after.as_deref()).await,
        Command::LockoutRelease(what) => lockout::release(core, &what).await,
        Command::Reload { .. } => Err(AdminError::refused("no server is running: at its start it reads everything")),
        Command::PluginList => plugins::list(core),
        Command::PluginDiff { shadow } => plugins::diff(core, shadow.as_deref()),
        Command::ExplainLogin(question) => explain::login(core, call, question).await,
        Command::PluginDisable { plugin } => plugins::set_disabled(core, &plugin, true).await,
        Command::PluginEnable { plugin } => plugins::set_disabled(core, &plugin, false).await,
        Command::EventList { sink, dead, after } => events::list(core, sink.as_deref(), dead, after.as_deref()).await,
        Command::EventReplay(choice) => events::replay(core, &choice).await,
        Command::EventDrop { choice, waiting } => events::discard(core, &choice, waiting).await,
    }
}

/// After the clients have changed: what is answered for all of them together follows. Where the store does not answer,
/// upkeep does it later; the change itself stands.
async fn changed(core: &Core, outcome: Result<Value, AdminError>) -> Result<Value, AdminError> {
    if outcome.is_ok()
        && let Err(error) = core.clients.read_stored(core.store.as_ref()).await
    {
        tracing::warn!(%error, "the clients could not be read again");
    }
    outcome
}

/// A page of a list; `key` names what the next page starts after.
fn page<T: Serialize>(items: Vec<T>, key: impl Fn(&T) -> String) -> Result<Value, AdminError> {
    let next = if items.len() < PAGE { None } else { items.last().map(key) };
    Ok(serde_json::json!({ "items": json(&items)?, "next": next }))
}

fn json(value: &impl Serialize) -> Result<Value, AdminError> {
    serde_json::to_value(value).map_err(AdminError::unavailable)
}
