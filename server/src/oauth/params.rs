//! Form parameters, parsed strictly: `application/x-www-form-urlencoded` as RFC 6749 appendix B has it.

use super::error::OAuthError;
use zeroize::Zeroizing;

/// More parameters than any request of ours has.
const MAX_PARAMS: usize = 64;
/// No parameter of ours is longer, in bytes.
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// The parameters of a request: each name at most once, none empty.
#[derive(Default)]
pub struct Params(Vec<(String, Zeroizing<String>)>);

impl Params {
    /// Parses a form body or a query.
    ///
    /// Parameters without a value are left out (RFC 6749 §3.1: "treated as if they were omitted"), but count as seen.
    ///
    /// # Errors
    /// `invalid_request` for a bad percent escape, bytes that are no UTF-8, a NUL, a name given twice (RFC 6749 §3.1),
    /// or more than Pintle takes.
    pub fn parse(encoded: &[u8]) -> Result<Self, OAuthError> {
        let mut pairs: Vec<(String, Zeroizing<String>)> = Vec::new();
        for pair in encoded.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let split = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
            let name = decode(&pair[..split]).map_err(|why| why.of("a parameter name"))?;
            let shown = format!("parameter '{}'", shorten(&name));
            if pairs.iter().any(|(known, _)| *known == *name) {
                return Err(OAuthError::invalid_request(format!("{shown} is given more than once")));
            }
            let value = pair.get(split + 1..).unwrap_or_default();
            if value.len() > MAX_VALUE_BYTES {
                return Err(OAuthError::invalid_request(format!("{shown} is longer than {MAX_VALUE_BYTES} bytes")));
            }
            if pairs.len() == MAX_PARAMS {
                return Err(OAuthError::invalid_request(format!("more than {MAX_PARAMS} parameters")));
            }
            let value = decode(value).map_err(|why| why.of(&shown))?;
            pairs.push((name.to_string(), value));
        }
        Ok(Self(pairs))
    }

    /// The value of `name`, if it has one.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// `invalid_request` that names the parameter.
    pub fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.optional(name).ok_or_else(|| {
            let empty = self.0.iter().any(|(known, _)| known == name);
            OAuthError::invalid_request(if empty {
                format!("parameter '{name}' is empty")
            } else {
                format!("parameter '{name}' is missing")
            })
        })
    }

    /// All parameters but those named, in the order in which they were sent.
    pub fn others<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(|(name, value)| !value.is_empty() && !names.contains(name))
    }

    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

enum BadEncoding {
    Escape,
    Utf8,
    Nul,
}

impl BadEncoding {
    fn of(&self, what: &str) -> OAuthError {
        OAuthError::invalid_request(match self {
            Self::Escape => format!("{what} has a '%' that is not followed by two hexadecimal digits"),
            Self::Utf8 => format!("{what} is not valid UTF-8"),
            Self::Nul => format!("{what} has a NUL character"),
        })
    }
}

fn shorten(name: &str) -> String {
    name.chars().take(40).collect()
}

/// `+` is a space, `%XX` a byte.
fn decode(encoded: &[u8]) -> Result<Zeroizing<String>, BadEncoding> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut rest = encoded.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| BadEncoding::Escape)?,
                    _ => return Err(BadEncoding::Escape),
                }
            }
            byte => byte,
        });
    }
    if bytes.contains(&0) {
        return Err(BadEncoding::Nul);
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| BadEncoding::Utf8)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Decodes one value that is form-encoded by itself, as client credentials in HTTP Basic are (RFC 6749 §2.3.1).
#[must_use]
pub fn decode_value(encoded: &str) -> Option<Zeroizing<String>> {
    decode(encoded.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &[u8]) -> String {
        Params::parse(body).err().map(|error| error.description().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_form_is_decoded() {
        let params = Params::parse(b"a=1+2&b=%C3%BC&c=&d").unwrap();
        assert_eq!(params.optional("a"), Some("1 2"));
        assert_eq!(params.optional("b"), Some("ü"));
        assert_eq!(params.optional("c"), None);
        assert_eq!(params.required("c").unwrap_err().description(), "parameter 'c' is empty");
        assert_eq!(params.required("x").unwrap_err().description(), "parameter 'x' is missing");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        assert_eq!(refused(b"a=1&a=1"), "parameter 'a' is given more than once");
        assert_eq!(refused(b"a=&a=1"), "parameter 'a' is given more than once");
        assert_eq!(refused(b"a=%C3"), "parameter 'a' is not valid UTF-8");
        assert_eq!(refused(b"a=%G1"), "parameter 'a' has a '%' that is not followed by two hexadecimal digits");
        assert_eq!(refused(b"a=%1"), "parameter 'a' has a '%' that is not followed by two hexadecimal digits");
        assert_eq!(refused(b"a=%00"), "parameter 'a' has a NUL character");
        assert_eq!(refused(b"%ff=1"), "a parameter name is not valid UTF-8");
        assert!(refused(&[b"a=".as_slice(), &vec![b'x'; 9000]].concat()).contains("longer than 8192"));
    }
}
