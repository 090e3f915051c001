//! `[development]`: a user and a machine with secrets made anew at each start, and calls to paste.

use super::exit::Failure;
use super::text;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pintle::admin::{self, Command, NewUser, SecretText};
use pintle::app::App;
use pintle::config::model::{Address, ClientType, Config, SecretSource};
use pintle::entropy::{self, Entropy};
use pintle::flow::Core;
use std::fmt::Write;
use zeroize::Zeroizing;

/// A name and its secret of this start.
type Credentials = (String, Zeroizing<String>);

/// What is made anew.
#[derive(Clone)]
pub struct Demo {
    user: Option<Credentials>,
    client: Option<Credentials>,
}

impl Demo {
    /// Makes the secrets. `None` without `[development]`.
    pub fn prepare(config: &Config, entropy: &dyn Entropy) -> Option<Self> {
        let development = config.development.clone()?;
        let named = |name: String| (name, Zeroizing::new(URL_SAFE_NO_PAD.encode(entropy::array::<24>(entropy))));
        let demo = Self { user: development.demo_user.map(named), client: development.demo_client.map(named) };
        Some(demo)
    }

    /// Gives the client its secret, in the configuration of the start or of a reload.
    pub fn equip(&self, config: &mut Config) {
        if let Some((id, secret)) = &self.client
            && let Some(client) = config.clients.iter_mut().find(|client| client.id == *id)
        {
            client.secrets = vec![SecretSource::Value(secret.clone())];
        }
    }

    /// Gives the user the password; makes the account at the first start.
    pub async fn install(&self, core: &Core) -> Result<(), Failure> {
        let Some((name, password)) = &self.user else { return Ok(()) };
        let password = SecretText(password.clone());
        let exists = core.accounts.by_username(name).await.map_err(Failure::unavailable)?.is_some();
        let command = if exists {
            Command::UserPasswd { user: name.clone(), password }
        } else {
            Command::UserAdd(NewUser { username: name.clone(), password: Some(password), ..NewUser::default() })
        };
        Ok(admin::execute(core, command).await.map(drop)?)
    }

    /// Prints the calls. `addresses`: where the server listens.
    pub fn print(&self, app: &App, addresses: &[Address]) {
        let served = app.served();
        text::print(&self.text(&app.config(), served.paths.token.first().map_or("", String::as_str), addresses));
    }

    fn text(&self, config: &Config, token_path: &str, addresses: &[Address]) -> String {
        let scheme = if config.listen.tls.is_some() { "https" } else { "http" };
        let to = match addresses.first() {
            Some(Address::Tcp(address)) => format!("{scheme}://{address}{token_path}"),
            Some(Address::Unix(path)) => {
                format!("--unix-socket {} http://localhost{token_path}", quote(&path.display().to_string()))
            }
            None => return String::new(),
        };
        let mut text =
            "A development server: for this machine only, with secrets that the next start replaces.\n".to_owned();
        if let Some((name, password)) = &self.user {
            let client = client_argument(config);
            let (username, password) = (form("username", name), form("password", password));
            let _ = write!(
                text,
                "\nA token for the user {name:?}:\n\n  curl -sS -d grant_type=password{client} -d {username} -d {password} {to}\n"
            );
        }
        if let Some((id, secret)) = &self.client {
            let basic = quote(&format!("{}:{}", encoded(id), secret.as_str()));
            let _ = write!(
                text,
                "\nA token for the machine {id:?}:\n\n  curl -sS -u {basic} -d grant_type=client_credentials {to}\n"
            );
        }
        text.push('\n');
        text
    }
}

/// Names the client of the user's call, where the server does not take it for granted.
fn client_argument(config: &Config) -> String {
    let may = |id: &str| {
        config.clients.iter().any(|client| client.id == id && client.grants.iter().any(|grant| grant == "password"))
    };
    if config.grants.default_client.as_deref().is_some_and(may) {
        return String::new();
    }
    let public = config.clients.iter().find(|client| client.client_type == ClientType::Public && may(&client.id));
    public.map(|client| format!(" -d {}", form("client_id", &client.id))).unwrap_or_default()
}

/// A form field as one word of a shell.
fn form(name: &str, value: &str) -> String {
    quote(&format!("{name}={}", encoded(value)))
}

fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

fn quote(word: &str) -> String {
    if word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.,:/=+%@".contains(&byte)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(form("username", "dory"), "username=dory");
        assert_eq!(form("username", "it's me&x"), "username=it%27s+me%26x");
        assert_eq!(quote("a b'c"), r"'a b'\''c'");
    }
}
