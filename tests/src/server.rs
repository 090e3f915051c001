//! Starting and stopping a server in this process.

use crate::call::{Caller, install_cryptography};
use pintle::accounts::NewAccount;
use pintle::app::{App, Builder};
use pintle::clock::{Clock, ManualClock, SystemClock};
use pintle::config::model::Config;
use pintle::config::{self, LoadOptions};
use pintle::entropy::SystemEntropy;
use pintle::http::listener::Server;
use pintle::store::Store;
use pintle::store::memory::MemoryStore;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// Cheap Argon2 parameters, so that tests of other things do not wait for it.
const CHEAP: &str = "\n[passwords]\nmemory_kib = 8\niterations = 1\n";

/// How to start a server.
pub struct Options {
    /// The configuration as TOML. `{port}` becomes a free port; reference configurations name theirs.
    pub config: String,
    /// TOML that is laid over it.
    pub overlay: String,
    /// Argon2 as configured instead of cheap.
    pub full_cost: bool,
    /// On this store instead of memory.
    pub store: Option<Arc<dyn Store>>,
    /// On the machine's clock instead of the test's.
    pub real_clock: bool,
    /// Changes what the builder does.
    pub customize: Option<Box<dyn FnOnce(Builder) -> Builder + Send>>,
}

impl Options {
    /// A server of this configuration.
    #[must_use]
    pub fn new(config: impl Into<String>) -> Self {
        Self {
            config: config.into(),
            overlay: String::new(),
            full_cost: false,
            store: None,
            real_clock: false,
            customize: None,
        }
    }

    /// A server of a reference configuration, `clarico` or `korap`.
    ///
    /// # Panics
    /// When there is no such fixture.
    #[must_use]
    #[expect(clippy::panic, reason = "a broken fixture fails the test")]
    pub fn reference(name: &str) -> Self {
        let path = fixtures().join("reference").join(format!("{name}.toml"));
        Self::new(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// Lays TOML over the configuration.
    #[must_use]
    pub fn overlay(mut self, toml: &str) -> Self {
        self.overlay.push_str(toml);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    #[expect(clippy::panic, reason = "a server that does not start fails the test")]
    pub async fn start(self) -> TestServer {
        self.try_start().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts it.
    ///
    /// # Errors
    /// What is wrong with the configuration, or else keeps it from starting.
    pub async fn try_start(self) -> Result<TestServer, String> {
        TestServer::start(self).await
    }
}

/// Where the fixtures are.
#[must_use]
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A server that runs until it is dropped.
pub struct TestServer {
    /// The server.
    pub app: Arc<App>,
    /// The clock, where it is the test's.
    pub clock: Arc<ManualClock>,
    /// `http://127.0.0.1:port`.
    pub origin: String,
    /// Its folder.
    pub folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

#[expect(clippy::expect_used, reason = "a server that does not start fails the test")]
impl TestServer {
    async fn start(options: Options) -> Result<Self, String> {
        install_cryptography();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let config = load(&options, folder.path(), port)?;
        let now = SystemClock::new().now();
        let clock = Arc::new(ManualClock::at(now));
        let used: Arc<dyn Clock> = if options.real_clock { Arc::new(SystemClock::new()) } else { clock.clone() };
        let store = options.store.unwrap_or_else(|| Arc::new(MemoryStore::new(used.clone())));
        let listen = config.listen.clone();
        let builder = Builder::new(config).clock(used).store(store).environment(std::env::vars().collect());
        let builder = match options.customize {
            Some(customize) => customize(builder),
            None => builder,
        };
        let app = Arc::new(builder.build().await.map_err(|error| error.to_string())?);
        let server = Server::bind(&listen, None, Arc::new(SystemEntropy)).expect("a free port");
        let routes = app.clone().routes();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            server.serve(warp::service(routes), async { drop(stopped.await) }).await;
        });
        let origin = format!("http://127.0.0.1:{port}");
        Ok(Self { app, clock, origin, folder, stop: Some(stop), running })
    }

    /// Adds a local account.
    ///
    /// # Panics
    /// When it cannot be added.
    pub async fn user(&self, username: &str, password: &str) {
        let new = NewAccount {
            username: username.to_owned(),
            password: Some(Zeroizing::new(password.to_owned())),
            ..NewAccount::default()
        };
        self.app.core.accounts.create(new).await.expect("a new account");
    }

    /// Somebody to make requests.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::new(&self.origin)
    }

    /// Stops the server and waits for it.
    ///
    /// # Panics
    /// When the server has panicked.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.running).await.expect("the server ends in order");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

#[expect(clippy::expect_used, reason = "a folder that cannot be written fails the test")]
fn load(options: &Options, folder: &Path, port: u16) -> Result<Config, String> {
    let port = port.to_string();
    let text = ["{port}", "18080", "18089"].iter().fold(options.config.clone(), |text, from| text.replace(from, &port));
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file in the temporary folder");
        path
    };
    let mut overlays = vec![];
    if !options.full_cost {
        overlays.push(write("cheap.toml", CHEAP));
    }
    overlays.push(write("overlay.toml", &options.overlay));
    let file = Some(write("pintle.toml", &text));
    let load = LoadOptions { file, overlays, ..LoadOptions::default() };
    let loaded = config::load(&load).map_err(|errors| errors.to_string())?;
    Ok(loaded.config)
}

/// A port that was free a moment ago.
///
/// # Panics
/// When there is none.
#[expect(clippy::expect_used, reason = "no port, no test")]
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
