//! Outbound HTTP of a plugin: to the origins that its entry grants, at addresses that may be reached, and nowhere else.
//!
//! The name is resolved once for each connection; the connection goes to the addresses that were checked. Redirects are
//! not followed, as they would lead to another origin, and no proxy of the environment is used.

mod address;
#[cfg(test)]
mod tests;

use crate::config::model::NetworkGrant;
use crate::plugin::host::Secrets;
use crate::plugin::limits::MAX_PAYLOAD_BYTES;
use address::{Reach, reach};
use pintle_plugin_api::{HeaderValue, HttpRequest, HttpResponse, PluginError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue as RawValue};
use reqwest::{Client, Method, redirect};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::{Host, Url};
use zeroize::Zeroizing;

/// Requests of one plugin at once; a further one waits within its time.
const MAX_AT_ONCE: usize = 16;
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Idle connections that are kept for the next request.
const MAX_IDLE: usize = 4;

/// Headers that frame the message or speak to a proxy: the client sets them.
const RESERVED_HEADERS: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "proxy-connection",
];

/// Finds a name's addresses; tests have one that changes its mind.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `host`, in the order in which they are tried.
    fn resolve(&self, host: String) -> Resolved;
}

/// What a [`Resolver`] is going to answer.
pub type Resolved = std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// The machine's own.
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: String) -> Resolved {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// One granted origin and its connections.
struct Granted {
    grant: NetworkGrant,
    client: Client,
}

/// What one plugin may reach.
pub struct Outbound {
    granted: Vec<Granted>,
    slots: Semaphore,
}

impl Outbound {
    /// Makes the clients; certificates are read now.
    ///
    /// # Errors
    /// A file of certificates that cannot be used.
    pub fn new(grants: &[NetworkGrant], resolver: &Arc<dyn Resolver>) -> Result<Self, String> {
        let granted = grants.iter().map(|grant| Ok(Granted { grant: grant.clone(), client: client(grant, resolver)? }));
        Ok(Self { granted: granted.collect::<Result<_, String>>()?, slots: Semaphore::new(MAX_AT_ONCE) })
    }

    /// Sends a request; `most` is what it may take.
    ///
    /// # Errors
    /// `Denied` for an origin or address that is not granted, `Invalid` for a malformed request or an answer that is too
    /// large, `Unavailable` without an answer.
    pub async fn send(
        &self,
        request: HttpRequest,
        secrets: &Secrets,
        most: Duration,
    ) -> Result<HttpResponse, PluginError> {
        let url = self.absolute(&request.url)?;
        let granted = self.granted(&url)?;
        let method = method(&request.method)?;
        let headers = headers(&request.headers, secrets)?;
        let asked = Duration::from_millis(request.timeout_ms.into());
        let time = if asked.is_zero() { most } else { asked.min(most) };
        let exchange = async {
            let _slot = self.slots.acquire().await.map_err(|_| unavailable("the server is stopping"))?;
            let body = request.body.to_vec();
            let sent = granted.client.request(method, url).headers(headers).body(body).send().await;
            read(sent.map_err(explain)?).await
        };
        tokio::time::timeout(time, exchange)
            .await
            .unwrap_or_else(|_| Err(unavailable(format!("no answer within {} ms", time.as_millis()))))
    }

    /// A path is one of the only origin that is granted, so that a config need not repeat it. The path is put behind the
    /// origin as text: resolving it as a reference (RFC 3986 §5) could lead to another host.
    fn absolute(&self, text: &str) -> Result<Url, PluginError> {
        let parsed = if text.starts_with('/') {
            let [only] = self.granted.as_slice() else {
                return Err(invalid("the url is a path, and the entry's `network` has not exactly one origin"));
            };
            Url::parse(&format!("{}{text}", origin(&only.grant.origin)))
        } else {
            Url::parse(text)
        };
        parsed.map_err(|error| invalid(format!("the url: {error}")))
    }

    /// Scheme, host and port must be a grant's. The URL is parsed, so that every spelling of an address is compared as
    /// the address that it is.
    fn granted(&self, url: &Url) -> Result<&Granted, PluginError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("the url has a user name or password in it"));
        }
        let found = self.granted.iter().find(|granted| granted.grant.matches(url));
        found.ok_or_else(|| PluginError::Denied(format!("{} is not in the entry's `network`", origin(url))))
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn client(grant: &NetworkGrant, resolver: &Arc<dyn Resolver>) -> Result<Client, String> {
    let checked = Checked { resolver: Arc::clone(resolver), private: grant.private };
    // Also for plain HTTP: without a configuration the client looks for a global provider of cryptography.
    let tls = tls(grant)?;
    let builder = Client::builder()
        .use_preconfigured_tls(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .dns_resolver(Arc::new(checked))
        .pool_max_idle_per_host(MAX_IDLE)
        .user_agent(concat!("pintle/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| format!("network: {error}"))
}

/// The system's certificates, or those that the grant names instead.
fn tls(grant: &NetworkGrant) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &grant.ca {
        Some(path) => {
            let refuse = |why: String| format!("network: {}: {why}", path.display());
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
                roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(refuse("no certificate in it; it must be PEM".to_owned()));
            }
        }
        None if grant.origin.scheme() == "http" => {}
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("network: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Resolves a name and lets through what may be reached. A granted address needs no resolving and was named literally.
struct Checked {
    resolver: Arc<dyn Resolver>,
    private: bool,
}

/// No address of a name may be reached.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolving, private) = (self.resolver.resolve(name.as_str().to_owned()), self.private);
        Box::pin(async move {
            let found = resolving.await?;
            let allowed = |address: &IpAddr| match reach(*address) {
                Reach::Public => true,
                Reach::Private => private,
                Reach::Never => false,
            };
            let good: Vec<_> = found.iter().copied().filter(allowed).map(|ip| SocketAddr::new(ip, 0)).collect();
            if good.is_empty() && !found.is_empty() {
                return Err(Refused(refusal(&found)).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

fn refusal(found: &[IpAddr]) -> String {
    if found.iter().any(|address| reach(*address) == Reach::Private) {
        return "the name leads to a private address, which the grant does not allow (`private = true`)".to_owned();
    }
    "the name leads to an address of this machine or network, which a grant must name as a number".to_owned()
}

fn method(name: &str) -> Result<Method, PluginError> {
    match name {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => {
            Method::from_bytes(name.as_bytes()).map_err(|error| invalid(format!("the method: {error}")))
        }
        _ => Err(invalid("the method is none of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS")),
    }
}

fn headers(given: &[(String, HeaderValue)], secrets: &Secrets) -> Result<HeaderMap, PluginError> {
    let mut headers = HeaderMap::new();
    let mut bytes = 0_usize;
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("a header's name is none"))?;
        if RESERVED_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(invalid(format!("the header {name} is not the plugin's to set")));
        }
        let value = match value {
            HeaderValue::Text(text) => Zeroizing::new(text.clone().into_bytes()),
            HeaderValue::Secret(template) => fill(template, secrets)?,
        };
        bytes = bytes.saturating_add(name.as_str().len()).saturating_add(value.len());
        if headers.len() >= MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return Err(invalid(format!("more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them")));
        }
        let mut raw = RawValue::from_bytes(&value).map_err(|_| invalid(format!("the value of {name} is none")))?;
        raw.set_sensitive(true);
        headers.append(name, raw);
    }
    Ok(headers)
}

/// Puts secrets where `{name}` stands.
fn fill(template: &str, secrets: &Secrets) -> Result<Zeroizing<Vec<u8>>, PluginError> {
    let mut filled = Zeroizing::new(Vec::with_capacity(template.len() + 256));
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or_else(|| invalid("a secret header has a { without its }"))?;
        let secret = secrets.get(name).ok_or_else(|| {
            PluginError::Denied("the plugin's entry has no secret of this name in its `secrets`".to_owned())
        })?;
        filled.extend_from_slice(before.as_bytes());
        filled.extend_from_slice(secret);
        rest = behind;
    }
    filled.extend_from_slice(rest.as_bytes());
    Ok(filled)
}

async fn read(mut response: reqwest::Response) -> Result<HttpResponse, PluginError> {
    let status = response.status().as_u16();
    let text =
        |(name, value): (&HeaderName, &RawValue)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
    let headers: Vec<_> = response.headers().iter().filter_map(text).collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(explain)? {
        if body.len() + chunk.len() > MAX_PAYLOAD_BYTES {
            return Err(invalid(format!("the answer has more than {MAX_PAYLOAD_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, headers, body })
}

/// Without the URL, which may hold a token, and with the innermost cause, which says the most.
fn explain(error: reqwest::Error) -> PluginError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    loop {
        if let Some(Refused(why)) = cause.downcast_ref() {
            return PluginError::Denied(why.clone());
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return unavailable(cause.to_string()),
        }
    }
}

fn invalid(why: impl Into<String>) -> PluginError {
    PluginError::Invalid(why.into())
}

fn unavailable(why: impl Into<String>) -> PluginError {
    PluginError::Unavailable(why.into())
}

impl NetworkGrant {
    /// Whether a URL is of this origin (RFC 6454 §4).
    fn matches(&self, url: &Url) -> bool {
        let host = |url: &Url| match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_ascii_lowercase(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        matches!(url.scheme(), "http" | "https")
            && url.scheme() == self.origin.scheme()
            && host(url) == host(&self.origin)
            && url.port_or_known_default() == self.origin.port_or_known_default()
    }
}
