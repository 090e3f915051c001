//! How a call came to have no answer. The contract's [`PluginError`] says why; it does not say whether the plugin said so
//! or the host ended the call.

use pintle_plugin_api::PluginError;

/// A call without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct CallError {
    /// Why.
    pub error: PluginError,
    /// Whose doing it was.
    pub fault: Fault,
}

/// Whose doing a [`CallError`] was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The plugin answered with an error, or with something that is no answer.
    Failed,
    /// It did not answer within its wall or CPU time.
    TimedOut,
    /// It trapped, panicked, or broke its instance.
    Trapped,
    /// It was not called: too many calls at once.
    Overloaded,
    /// It was not called: its circuit breaker is open.
    Open,
    /// It was not called: the operator disabled it.
    Disabled,
}

impl Fault {
    /// For the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "error",
            Self::TimedOut => "timed-out",
            Self::Trapped => "trapped",
            Self::Overloaded => "overloaded",
            Self::Open => "breaker-open",
            Self::Disabled => "disabled",
        }
    }
}

/// What a plugin says of itself is [`Fault::Failed`].
impl From<PluginError> for CallError {
    fn from(error: PluginError) -> Self {
        Self { error, fault: Fault::Failed }
    }
}
