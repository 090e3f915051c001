//! Commands for the running server, or on the store where none runs.

use super::args::{
    ClientCommand, EventCommand, EventSelection, KeysCommand, LockoutCommand, PluginOperation, TokenCommand,
    TokenRevoke, UserAdd, UserCommand,
};
use super::diff;
use super::exit::Failure;
use super::open::Opening;
use super::patience::{Obstacle, patiently};
use super::{block_on, log, owner, password, text, transfer};
use pintle::admin::client::Connection;
use pintle::admin::{self, Command, EventChoice, NewClient, NewUser, Release, RevokeTarget, SecretText};
use pintle::app::App;
use pintle::config::model::Config;
use serde_json::{Map, Value};

const USERS: &[(&str, &str)] =
    &[("NAME", "username"), ("FULL NAME", "name"), ("EMAIL", "email"), ("GROUPS", "groups"), ("DISABLED", "disabled")];
const CLIENTS: &[(&str, &str)] = &[
    ("ID", "id"),
    ("TYPE", "type"),
    ("FROM", "origin"),
    ("TRUSTED", "trusted"),
    ("INTROSPECT", "introspect"),
    ("SECRETS", "secrets"),
    ("GRANTS", "grants"),
    ("SCOPES", "scopes"),
];
const KEYS: &[(&str, &str)] = &[
    ("ALGORITHM", "algorithm"),
    ("STATE", "state"),
    ("KEY", "id"),
    ("SIGNS FROM", "signs_from"),
    ("RETIRES", "retire_at"),
    ("REMOVED", "remove_at"),
];
const LOCKOUTS: &[(&str, &str)] = &[
    ("ID", "id"),
    ("OF", "kind"),
    ("NAME OR ADDRESS", "label"),
    ("FAILURES", "failures"),
    ("LAST", "last_failure"),
    ("LOCKED UNTIL", "locked_until"),
];

const PLUGINS: &[(&str, &str)] = &[
    ("NAME", "name"),
    ("STATE", "state"),
    ("PACKAGING", "packaging"),
    ("VERSION", "version"),
    ("KINDS", "kinds"),
    ("CALLS", "calls"),
    ("FAILURES", "failures"),
    ("SHA256", "sha256"),
    ("SHADOW OF", "shadow_of"),
    ("WHY", "why"),
];

const EVENTS: &[(&str, &str)] = &[
    ("ID", "id"),
    ("SINK", "sink"),
    ("KIND", "kind"),
    ("HAPPENED", "happened_at"),
    ("TRIES", "tries"),
    ("NEXT TRY", "next_try_at"),
    ("WHY", "error"),
];
const DEAD_LETTERS: &[(&str, &str)] = &[
    ("ID", "id"),
    ("SINK", "sink"),
    ("KIND", "kind"),
    ("HAPPENED", "happened_at"),
    ("TRIES", "tries"),
    ("GIVEN UP", "died_at"),
    ("WHY", "error"),
];

/// How an answer is shown to people.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    Table(&'static [(&'static str, &'static str)]),
    Object,
    /// In a sentence of its own.
    Said(&'static str),
}

pub fn user(open: &Opening, json: bool, command: UserCommand) -> Result<(), Failure> {
    let ended = "done; what the user was given has ended";
    let (command, shown) = match command {
        UserCommand::Add(add) => (Command::UserAdd(new_user(add)?), Shown::Object),
        UserCommand::List => (Command::UserList { after: None }, Shown::Table(USERS)),
        UserCommand::Import(import) => return transfer::import(open, json, &import),
        UserCommand::Export(export) => return transfer::export(open, &export),
        UserCommand::Show(name) => (Command::UserShow { user: name.user }, Shown::Object),
        UserCommand::Passwd { user, password_stdin } => {
            let password = password::new(password_stdin)?;
            (Command::UserPasswd { user: user.user, password }, Shown::Said(ended))
        }
        UserCommand::Disable(name) => (Command::UserDisable { user: name.user }, Shown::Said(ended)),
        UserCommand::Enable(name) => (Command::UserEnable { user: name.user }, Shown::Said("done")),
        UserCommand::Remove(name) => (Command::UserRemove { user: name.user }, Shown::Said(ended)),
    };
    answer(open, json, command, shown)
}

fn new_user(add: UserAdd) -> Result<NewUser, Failure> {
    let password = Some(password::new(add.password_stdin)?);
    Ok(NewUser { username: add.username, password, name: add.name, email: add.email, groups: add.groups })
}

pub fn client(open: &Opening, json: bool, command: ClientCommand) -> Result<(), Failure> {
    let (command, shown) = match command {
        ClientCommand::List => (Command::ClientList { after: None }, Shown::Table(CLIENTS)),
        ClientCommand::Add(add) => {
            let new = NewClient {
                id: add.id,
                name: add.name,
                client_type: add.client_type.into(),
                grants: add.grants.into_iter().map(Into::into).collect(),
                extension_grants: add.extension_grants,
                scopes: add.scopes,
                redirect_uris: add.redirect_uris,
                cors: add.cors,
                trusted: add.trusted,
                introspect: add.introspect,
            };
            (Command::ClientAdd(new), Shown::Object)
        }
        ClientCommand::RotateSecret { id, drop_old } => (Command::ClientRotateSecret { id, drop_old }, Shown::Object),
        ClientCommand::Remove { id } => {
            (Command::ClientRemove { id }, Shown::Said("removed; what the client was given has ended"))
        }
    };
    answer(open, json, command, shown)
}

pub fn token(open: &Opening, json: bool, command: TokenCommand) -> Result<(), Failure> {
    let (command, shown) = match command {
        TokenCommand::Inspect { token } => (Command::TokenInspect { token: secret(token)? }, Shown::Object),
        TokenCommand::Revoke(revoke) => (Command::TokenRevoke(target(revoke)?), Shown::Said("revoked")),
    };
    answer(open, json, command, shown)
}

fn target(revoke: TokenRevoke) -> Result<RevokeTarget, Failure> {
    match revoke {
        TokenRevoke { user: Some(user), .. } => Ok(RevokeTarget::User(user)),
        TokenRevoke { client: Some(client), .. } => Ok(RevokeTarget::Client(client)),
        TokenRevoke { token: Some(token), .. } => secret(token).map(RevokeTarget::Token),
        TokenRevoke { .. } => Err(Failure::usage("a token, --user or --client is needed")),
    }
}

fn secret(argument: String) -> Result<SecretText, Failure> {
    if argument == "-" { password::line("a token") } else { Ok(argument.into()) }
}

pub fn keys(open: &Opening, json: bool, command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::List => answer(open, json, Command::KeysList, Shown::Table(KEYS)),
        KeysCommand::Rotate { algorithm, immediately } => {
            answer(open, json, Command::KeysRotate { algorithm, immediately }, Shown::Object)
        }
    }
}

pub fn lockout(open: &Opening, json: bool, command: LockoutCommand) -> Result<(), Failure> {
    let release = match command {
        LockoutCommand::List => {
            return answer(open, json, Command::LockoutList { after: None }, Shown::Table(LOCKOUTS));
        }
        LockoutCommand::Release(release) => release,
    };
    let what = match (release.account, release.address, release.client, release.id) {
        (Some(account), ..) => Release::Account(account),
        (_, Some(address), ..) => Release::Address(address),
        (_, _, Some(client), _) => Release::Client(client),
        (.., Some(id)) => Release::Entry(id),
        _ => Release::All,
    };
    answer(open, json, Command::LockoutRelease(what), Shown::Object)
}

pub fn reload(open: &Opening, json: bool, plugin: Option<String>) -> Result<(), Failure> {
    answer(open, json, Command::Reload { plugin }, Shown::Object)
}

pub fn plugin(open: &Opening, json: bool, operation: PluginOperation) -> Result<(), Failure> {
    match operation {
        PluginOperation::List => answer(open, json, Command::PluginList, Shown::Table(PLUGINS)),
        PluginOperation::Diff { name } => diff::show(open, json, name),
        PluginOperation::Reload { name } => reload(open, json, name),
        PluginOperation::Disable { name: plugin } => answer(
            open,
            json,
            Command::PluginDisable { plugin },
            Shown::Said("disabled: its calls fail until it is enabled"),
        ),
        PluginOperation::Enable { name: plugin } => {
            answer(open, json, Command::PluginEnable { plugin }, Shown::Said("enabled"))
        }
    }
}

pub fn event(open: &Opening, json: bool, command: EventCommand) -> Result<(), Failure> {
    let (command, shown) = match command {
        EventCommand::List { sink, dead } => {
            let columns = if dead { DEAD_LETTERS } else { EVENTS };
            (Command::EventList { sink, dead, after: None }, Shown::Table(columns))
        }
        EventCommand::Replay(selection) => (Command::EventReplay(selection.into()), Shown::Object),
        EventCommand::Drop { selection, waiting } => {
            (Command::EventDrop { choice: selection.into(), waiting }, Shown::Object)
        }
    };
    answer(open, json, command, shown)
}

impl From<EventSelection> for EventChoice {
    fn from(selection: EventSelection) -> Self {
        Self { id: selection.id, sink: selection.sink }
    }
}

pub(super) fn answer(open: &Opening, json: bool, command: Command, shown: Shown) -> Result<(), Failure> {
    log::install_for_command()?;
    let answer = block_on(execute(open, command))?;
    match (json, shown) {
        (true, _) => text::print_json(&answer),
        (false, Shown::Table(columns)) => text::print(&text::table(columns, list(&answer))),
        (false, Shown::Object) => text::print(&text::object(answer.as_object().unwrap_or(&Map::new()))),
        (false, Shown::Said(sentence)) => text::print(&format!("{sentence}\n")),
    }
    Ok(())
}

fn list(answer: &Value) -> &[Value] {
    answer.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub async fn execute(open: &Opening, command: Command) -> Result<Value, Failure> {
    Place::find_for(open, &command).await?.execute(command).await
}

/// Where a command is done.
pub(super) enum Place {
    Server(Connection),
    Store(Box<App>),
}

impl Place {
    /// The place for commands such as this one.
    pub(super) async fn find_for(open: &Opening, command: &Command) -> Result<Self, Failure> {
        let config = open.load()?.config;
        patiently(&*open.surroundings.clock, async || Self::find(open, &config, command).await).await
    }

    async fn find(open: &Opening, config: &Config, command: &Command) -> Result<Self, Obstacle> {
        if let Some(connection) = Connection::open(&config.data_dir).await? {
            return Ok(Self::Server(connection));
        }
        owner::refuse_foreign_data(&config.data_dir)?;
        let builder = open.builder(config.clone());
        let builder = if command.only_reads() { builder.read_only() } else { builder };
        let app = builder.build().await.map_err(Obstacle::of_start)?;
        Ok(Self::Store(Box::new(app)))
    }

    /// Does the command; of a list one page.
    pub(super) async fn once(&mut self, command: Command) -> Result<Value, Failure> {
        Ok(match self {
            Self::Server(connection) => connection.execute(&command).await?,
            Self::Store(app) => admin::execute(&app.core(), command).await?,
        })
    }

    /// Does the command; of a list all pages.
    async fn execute(&mut self, command: Command) -> Result<Value, Failure> {
        Ok(match self {
            Self::Server(connection) => connection.execute_all(command).await?,
            Self::Store(app) => admin::execute_all(&app.core(), command).await?,
        })
    }
}
