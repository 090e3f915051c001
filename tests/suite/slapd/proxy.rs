//! What stands between a server and its directory, and forgets connections.

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of the connections that are open when it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They go on.
    Kept,
    /// Nothing is passed on any more, as by a firewall that has forgotten them.
    Forgotten,
    /// Each ends when something is sent, as by a server that closes it at that moment.
    Ended,
}

/// Passes connections on to a port of loopback.
pub struct Proxy {
    port: u16,
    fate: watch::Sender<Fate>,
}

impl Proxy {
    /// To `localhost:port`.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fate, fates) = watch::channel(Fate::Kept);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A receiver of its own, which has seen what was said before.
                let mut fates = fates.clone();
                fates.mark_unchanged();
                tokio::spawn(pass(client, target.clone(), fates));
            }
        });
        Self { port, fate }
    }

    /// Lets it come over the connections that are open; later ones are kept.
    pub fn all(&self, fate: Fate) {
        self.fate.send(fate).unwrap();
    }

    /// `ldap://` on loopback.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }
}

async fn pass(mut client: TcpStream, target: String, mut fates: watch::Receiver<Fate>) {
    let mut server = TcpStream::connect(target).await.unwrap();
    let fate = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        changed = fates.changed() => match changed {
            Ok(()) => *fates.borrow(),
            Err(_) => return,
        },
    };
    match fate {
        Fate::Kept => drop(copy_bidirectional(&mut client, &mut server).await),
        Fate::Forgotten => std::future::pending().await,
        Fate::Ended => drop(client.read_u8().await),
    }
}
