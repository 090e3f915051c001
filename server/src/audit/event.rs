use super::Text;
use serde::{Serialize, Serializer};
use std::fmt::Write;
use std::net::IpAddr;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)+) => {
        /// What was decided.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum AuditKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl AuditKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// As it stands in the log.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// A token endpoint's success; a refresh too.
    TokenIssued = "token.issued",
    /// A token endpoint's error answer.
    TokenRefused = "token.refused",
    /// A revocation by its client, a user's change, a command, or a replay.
    TokenRevoked = "token.revoked",
    /// A used code or refresh token came again, and its family ended.
    TokenReplayed = "token.replayed",
    /// A revocation of a token that is not known, or another client's: nothing was ended, and the answer is 200 all the
    /// same (RFC 7009 §2.2).
    TokenNotRevoked = "token.not_revoked",
    /// A token was introspected.
    TokenIntrospected = "token.introspected",
    /// An introspection or revocation was refused.
    TokenRequestRefused = "token.request_refused",
    /// An authorization code was issued.
    CodeIssued = "code.issued",
    /// An authorization request was refused.
    CodeRefused = "code.refused",
    /// A client's credentials were wrong.
    ClientRejected = "client.rejected",
    /// A user's password was right. The request's own line follows: a login can still end without a token.
    LoginAccepted = "login.accepted",
    /// It was not, or the account may not log in.
    LoginRejected = "login.rejected",
    /// A backend failed, so that nothing was decided.
    LoginFailed = "login.failed",
    /// A try was not made: too many failures before. Stands for the request's own line.
    Lockout = "lockout",
    /// A sync found an account gone or disabled: it cannot log in, and what it was given has ended.
    AccountWithdrawn = "account.withdrawn",
    /// A command on the admin socket or the command line.
    Admin = "admin",
    /// Configuration and plugins were reloaded, with the plugins that have changed; or not, with an error.
    Reload = "reload",
}

impl Serialize for AuditKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One plugin's part in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginVerdict {
    /// Its name in the configuration.
    pub name: Text,
    /// Of the code that ran, hex in the line: the file's, or the executable's for what is linked into it.
    #[serde(serialize_with = "hex", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[u8; 32]>,
    /// `accepted`, `unknown-user`, `timed-out`, …
    pub verdict: Text,
    /// How long it took.
    pub ms: u64,
    /// Why it refused, or has no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// One decision. Values from outside go in as [`Text`], words of ours as `&'static str`, hence no secret: those are
/// `Zeroizing<String>` or bytes, and convert to neither.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEvent {
    event: AuditKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<std::borrow::Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plugins: Vec<PluginVerdict>,
}

impl AuditEvent {
    /// An event of which nothing else is known yet.
    #[must_use]
    pub const fn new(event: AuditKind) -> Self {
        Self {
            event,
            request: None,
            ip: None,
            grant: None,
            action: None,
            target: None,
            client: None,
            sub: None,
            username: None,
            family: None,
            scope: None,
            verdict: None,
            error: None,
            plugins: Vec::new(),
        }
    }

    /// What an event sink calls it: a command by its name, anything else as the log does.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.action.unwrap_or_else(|| self.event.name())
    }

    /// The same, ended otherwise: as `event`, with the error `code`.
    #[must_use]
    pub const fn ended(mut self, event: AuditKind, code: &'static str) -> Self {
        self.event = event;
        self.error = Some(code);
        self
    }

    /// The request: its id, and the client's address, if any.
    #[must_use]
    pub fn request(mut self, id: impl Into<Text>, ip: Option<IpAddr>) -> Self {
        (self.request, self.ip) = (Some(id.into()), ip);
        self
    }

    /// The grant type, as the protocol spells it.
    #[must_use]
    pub fn grant(mut self, grant: std::borrow::Cow<'static, str>) -> Self {
        self.grant = Some(grant);
        self
    }

    /// What an administrator did: `user.disable`, `keys.rotate`, …
    #[must_use]
    pub const fn action(mut self, action: &'static str) -> Self {
        self.action = Some(action);
        self
    }

    /// What an administrator did it to, where that is no user, client or token.
    #[must_use]
    pub fn target(mut self, target: impl Into<Text>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The client's id, that of a client there is: as claimed until it is authenticated.
    #[must_use]
    pub fn client(mut self, id: impl Into<Text>) -> Self {
        self.client = Some(id.into());
        self
    }

    /// The subject, once it is known.
    #[must_use]
    pub fn subject(mut self, sub: impl Into<Text>) -> Self {
        self.sub = Some(sub.into());
        self
    }

    /// The user name as it was typed.
    #[must_use]
    pub fn username(mut self, typed: impl Into<Text>) -> Self {
        self.username = Some(typed.into());
        self
    }

    /// The id of the token's family, or of a token without one. No secret: a token is more than its id.
    #[must_use]
    pub fn family(mut self, id: impl Into<Text>) -> Self {
        self.family = Some(id.into());
        self
    }

    /// The scope that was granted, or asked for and refused.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Text>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// What was found out about a token: `active`, `inactive`, `unknown`, `foreign`.
    #[must_use]
    pub const fn verdict(mut self, verdict: &'static str) -> Self {
        self.verdict = Some(verdict);
        self
    }

    /// The error code of the answer.
    #[must_use]
    pub const fn error(mut self, code: &'static str) -> Self {
        self.error = Some(code);
        self
    }

    /// Another plugin that was asked, in order.
    #[must_use]
    pub fn plugin(mut self, verdict: PluginVerdict) -> Self {
        self.plugins.push(verdict);
        self
    }
}

fn hex<S: Serializer>(bytes: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(64);
    for byte in bytes.iter().flatten() {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    serializer.serialize_str(&text)
}
