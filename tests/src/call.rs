//! Making requests and looking at answers.

use reqwest::header::HeaderMap;
use reqwest::{Client, redirect::Policy};
use serde_json::Value;

/// Makes requests; follows no redirects.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    origin: String,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A text field of the body; empty if there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// `status error`, as `400 invalid_grant`.
    #[must_use]
    pub fn error(&self) -> String {
        format!("{} {}", self.status, self.field("error"))
    }
}

#[expect(clippy::expect_used, reason = "a server that does not answer fails the test")]
impl Caller {
    /// Requests to `origin`.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        install_cryptography();
        let client = Client::builder().redirect(Policy::none()).build().expect("an HTTP client");
        Self { client, origin: origin.to_owned() }
    }

    /// Requests to an `https` origin whose certificate is this one, in PEM.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn trusting(origin: &str, certificate: &[u8]) -> Self {
        install_cryptography();
        let certificate = reqwest::Certificate::from_pem(certificate).expect("a certificate in PEM");
        let builder = Client::builder().redirect(Policy::none()).add_root_certificate(certificate);
        Self { client: builder.build().expect("an HTTP client"), origin: origin.to_owned() }
    }

    /// A request to `path`, to be changed and given to [`Caller::send`].
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.origin))
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    /// Sends a request; `None` when the connection breaks before the whole answer is there.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Option<Answer> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, text: response.text().await.ok()? })
    }

    /// Posts a form as it stands; `None` as [`Caller::try_send`].
    pub async fn try_post(&self, path: &str, body: &str) -> Option<Answer> {
        self.try_send(form(self.request("POST", path), body)).await
    }

    /// Posts a form as it stands.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(form(self.request("POST", path), body)).await
    }

    /// Posts a form with HTTP Basic.
    pub async fn post_as(&self, id: &str, secret: &str, path: &str, body: &str) -> Answer {
        self.send(form(self.request("POST", path), body).basic_auth(id, Some(secret))).await
    }

    /// Gets with a Bearer token.
    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send(self.request("GET", path).bearer_auth(token)).await
    }

    /// Gets.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }
}

/// The server's feature of reqwest leaves the choice to the program: without it no client can be made, not even for plain
/// HTTP.
pub(crate) fn install_cryptography() {
    // An error says that it is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn form(request: reqwest::RequestBuilder, body: &str) -> reqwest::RequestBuilder {
    request.header("Content-Type", "application/x-www-form-urlencoded").body(body.to_owned())
}
