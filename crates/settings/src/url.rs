//! Takes a `postgres://` URL apart.
//!
//! Knows the form of a URL and decodes it; which parameters there are is for its caller to say. No
//! error quotes the URL, which holds a password.

/// The parts of a URL, decoded. A part left out is `None`.
// No `Debug`: it holds a password.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Url {
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Host name, address (IPv6 without its brackets) or folder of a unix socket.
    pub host: Option<String>,
    /// Port as written.
    pub port: Option<String>,
    /// Database name.
    pub dbname: Option<String>,
    /// Parameters in their order.
    pub parameters: Vec<(String, String)>,
}

/// Reads a URL.
///
/// # Errors
/// A sentence that says which part is wrong.
pub fn parse(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or("must start with postgres:// or postgresql://")?;
    if rest.contains('#') {
        return Err("contains a #; in a user name or password write %23".to_owned());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // An unescaped / or ? cuts a password in two, and its halves would be taken for a port, a
    // database or a parameter, and printed.
    if path.contains('@') || query.contains('@') {
        return Err(
            "has an @ after a / or ?; in a user name or password write %2F for / and %3F for ?, \
             behind them %40 for @"
                .to_owned(),
        );
    }
    let mut url = Url::default();
    // Passwords with a bare @ are common; the last one is what separates.
    let host = match authority.rsplit_once('@') {
        Some((login, host)) => {
            let (user, password) = match login.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (login, None),
            };
            url.user = part(user, "user name")?;
            url.password = password
                .map(|password| part(password, "password"))
                .transpose()?
                .flatten();
            host
        }
        None => authority,
    };
    (url.host, url.port) = host_and_port(host)?;
    if path.contains('/') {
        return Err(
            "has a second / in the database name or an unescaped / before it; write %2F".to_owned(),
        );
    }
    url.dbname = part(path, "database name")?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err("has a parameter without a =".to_owned());
        };
        let name = decode(name).ok_or_else(|| badly_escaped("a parameter's name"))?;
        let value = decode(value).ok_or_else(|| badly_escaped("a parameter's value"))?;
        url.parameters.push((name, value));
    }
    Ok(url)
}

fn host_and_port(text: &str) -> Result<(Option<String>, Option<String>), String> {
    if text.contains(',') {
        return Err("lists several hosts, which is not supported yet; name one".to_owned());
    }
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (host, after) = inner
            .split_once(']')
            .ok_or("has an IPv6 address without its closing ]")?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("has something in brackets that is no IPv6 address".to_owned());
        }
        match (after, after.strip_prefix(':')) {
            ("", _) => (host, ""),
            (_, Some(port)) => (host, port),
            (_, None) => return Err("has text between the ] of its host and the port".to_owned()),
        }
    } else {
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        if port.contains(':') {
            return Err("has an IPv6 address without brackets; write [::1]:5432".to_owned());
        }
        (host, port)
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        // Not quoted: without a host this is the password.
        return Err(
            "has a port that is no number, or a password without a host after it".to_owned(),
        );
    }
    Ok((part(host, "host")?, part(port, "port")?))
}

/// A decoded part; an empty one counts as left out, as in libpq.
fn part(text: &str, what: &str) -> Result<Option<String>, String> {
    match decode(text) {
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => Ok(Some(text)),
        None => Err(badly_escaped(what)),
    }
}

fn badly_escaped(what: &str) -> String {
    format!(
        "has a % in {what} that no two hex digits follow, or that hides no UTF-8; write %25 for %"
    )
}

/// Undoes percent-encoding. `None`: a `%` without two hex digits, or no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
