//! Taking a URI apart (RFC 3986, as far as the interface uses it).

use crate::escape::{plain, unescape};
use crate::{Param, ParseError, Uri};

/// Every character is allowed in a URI and every `%` begins an escape.
fn sound(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, &byte)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        _ => plain(byte) || b":/?#[]@$&+,;=".contains(&byte),
    })
}

fn scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

pub(crate) fn uri(text: &str) -> Result<Uri, ParseError> {
    if text.is_empty() || !sound(text) {
        return Err(ParseError);
    }
    let mut uri = Uri::default();
    let (rest, fragment) = text.split_once('#').map_or((text, None), |(rest, f)| (rest, Some(f)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, q)| (rest, Some(q)));
    if fragment.is_some_and(|f| f.contains('#')) {
        return Err(ParseError);
    }
    uri.fragment = fragment.map(unescape);
    uri.query = query.map(str::to_owned);
    uri.params = query.map_or_else(Vec::new, params);
    let before_slash = rest.find('/').unwrap_or(rest.len());
    let rest = match rest.find(':').filter(|&colon| colon < before_slash) {
        Some(colon) if scheme(&rest[..colon]) => {
            uri.scheme = Some(rest[..colon].to_owned());
            &rest[colon + 1..]
        }
        Some(_) => return Err(ParseError),
        None => rest,
    };
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            authority(&rest[..end], &mut uri)?;
            &rest[end..]
        }
        None => rest,
    };
    uri.path = (!path.is_empty()).then(|| unescape(path));
    Ok(uri)
}

fn authority(text: &str, uri: &mut Uri) -> Result<(), ParseError> {
    let host = match text.rsplit_once('@') {
        Some((user, host)) => {
            uri.user = Some(unescape(user));
            host
        }
        None => text,
    };
    let (server, port) = if let Some(inside) = host.strip_prefix('[') {
        let (server, rest) = inside.split_once(']').ok_or(ParseError)?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(ParseError)?) };
        (server, port)
    } else {
        host.split_once(':').map_or((host, None), |(server, port)| (server, Some(port)))
    };
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseError);
        }
        uri.port = port.parse().map_err(|_| ParseError)?;
    }
    uri.server = Some(unescape(server));
    Ok(())
}

/// Parameters are separated by `&` or `;`; those without a name are dropped.
fn params(query: &str) -> Vec<Param> {
    let parts = query.split(['&', ';']).filter(|part| !part.is_empty());
    let param = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (!name.is_empty()).then(|| Param { name: unescape(name), value: unescape(value), ignore: false })
    };
    parts.filter_map(param).collect()
}
