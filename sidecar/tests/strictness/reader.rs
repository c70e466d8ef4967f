//! A slow and simple HTTP/1.1 reader: how a strict recipient reads bytes, written from RFC 9112 alone.

/// A message as a strict recipient reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its first line.
    pub(crate) line: String,
    /// Its fields in their order, names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    /// Its content, without chunks.
    pub(crate) body: Vec<u8>,
    /// Its trailer fields.
    pub(crate) trailers: Vec<(String, String)>,
}

/// The result of reading bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A message, and how many bytes it took.
    Whole(Box<Message>, usize),
    /// The beginning of one.
    Partial,
}

/// Why bytes are not a message.
pub(crate) type Broken = String;

/// Whether more bytes may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Closed,
}

impl Message {
    /// The values of all fields of that name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The method of a request, the version of a response.
    pub(crate) fn first(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The target of a request, the status of a response.
    pub(crate) fn second(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// Reads a request as a service behind the tunnel would.
pub(crate) fn request(bytes: &[u8]) -> Result<Read, Broken> {
    let Some((line, fields, at)) = head(bytes, Controls::Refused)? else { return Ok(Read::Partial) };
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return Err(format!("request line {line:?}")) };
    if !is_token(method) || target.is_empty() || target.contains([' ', '\t', '#']) {
        return Err(format!("request line {line:?}"));
    }
    let message = Message { line, fields, body: Vec::new(), trailers: Vec::new() };
    if message.all("host").len() != 1 {
        return Err(format!("not one Host in {message:?}"));
    }
    let (length, chunked) = framing(&message)?;
    match (length, chunked) {
        (_, true) => chunks(message, bytes, at),
        (length, false) => Ok(counted(message, bytes, at, length.unwrap_or(0))),
    }
}

/// Reads a response to a request of that method, as a client in front of the tunnel would.
pub(crate) fn answer(bytes: &[u8], method: &str, end: End) -> Result<Read, Broken> {
    let Some((line, fields, at)) = head(bytes, Controls::Retained)? else { return Ok(Read::Partial) };
    let mut parts = line.splitn(3, ' ');
    let (version, status, reason) = (parts.next(), parts.next().unwrap_or_default(), parts.next());
    if version != Some("HTTP/1.1") || status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) || reason.is_none() {
        return Err(format!("status line {line:?}"));
    }
    let mut message = Message { line, fields, body: Vec::new(), trailers: Vec::new() };
    let (length, chunked) = framing(&message)?;
    let status: u16 = message.second().parse().map_err(|_| "status".to_owned())?;
    if (status < 200 || status == 204) && (length.is_some() || chunked) {
        return Err(format!("{status} with a length"));
    }
    if status == 205 && (chunked || length != Some(0)) {
        return Err("205 with content".to_owned());
    }
    match (length, chunked) {
        _ if method == "HEAD" || status < 200 || status == 204 || status == 304 => Ok(Read::Whole(Box::new(message), at)),
        (_, true) => chunks(message, bytes, at),
        (Some(length), false) => Ok(counted(message, bytes, at, length)),
        (None, false) if end == End::Open => Ok(Read::Partial),
        (None, false) => {
            message.body = bytes[at..].to_vec();
            Ok(Read::Whole(Box::new(message), bytes.len()))
        }
    }
}

type Fields = Vec<(String, String)>;

/// How a reader treats control characters that do not end a line (RFC 9110, section 5.5).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Controls {
    Refused,
    Retained,
}

impl Controls {
    fn refuse(self, byte: u8) -> bool {
        byte != b'\t' && (self == Self::Refused || b"\0\r\n".contains(&byte))
    }
}

/// The first line and the fields, and where they end.
fn head(bytes: &[u8], controls: Controls) -> Result<Option<(String, Fields, usize)>, Broken> {
    let Some((first, mut at)) = line(bytes, 0, controls)? else { return Ok(None) };
    let mut fields = Vec::new();
    loop {
        let Some((text, next)) = line(bytes, at, controls)? else { return Ok(None) };
        at = next;
        if text.is_empty() {
            return Ok(Some((first, fields, at)));
        }
        fields.push(field(&text)?);
    }
}

fn field(text: &str) -> Result<(String, String), Broken> {
    let (name, value) = text.split_once(':').ok_or(format!("no colon in {text:?}"))?;
    if !is_token(name) {
        return Err(format!("field name {name:?}"));
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

/// The line at `at`, each byte as one character, and where the next begins.
fn line(bytes: &[u8], at: usize, controls: Controls) -> Result<Option<(String, usize)>, Broken> {
    let mut text = String::new();
    for (offset, byte) in bytes[at..].iter().enumerate() {
        match (*byte, bytes.get(at + offset + 1)) {
            (b'\r', Some(b'\n')) => return Ok(Some((text, at + offset + 2))),
            (b'\r', None) => return Ok(None),
            (byte, _) if byte.is_ascii_control() && controls.refuse(byte) => {
                return Err(format!("byte {byte} in a line behind {text:?}"));
            }
            (byte, _) => text.push(char::from(byte)),
        }
    }
    Ok(None)
}

/// The length, and whether there are chunks; never both.
fn framing(message: &Message) -> Result<(Option<usize>, bool), Broken> {
    let (lengths, codings) = (message.all("content-length"), message.all("transfer-encoding"));
    let length = match lengths[..] {
        [] => None,
        [digits] if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| format!("length {digits}"))?)
        }
        _ => return Err(format!("lengths {lengths:?}")),
    };
    match (length, &codings[..]) {
        (_, []) => Ok((length, false)),
        (None, ["chunked"]) => Ok((None, true)),
        _ => Err(format!("lengths {lengths:?}, codings {codings:?}")),
    }
}

fn counted(mut message: Message, bytes: &[u8], at: usize, length: usize) -> Read {
    match length.checked_add(at).and_then(|end| bytes.get(at..end)) {
        None => Read::Partial,
        Some(body) => {
            message.body = body.to_vec();
            Read::Whole(Box::new(message), at + length)
        }
    }
}

fn chunks(mut message: Message, bytes: &[u8], mut at: usize) -> Result<Read, Broken> {
    loop {
        let Some((size, next)) = line(bytes, at, Controls::Refused)? else { return Ok(Read::Partial) };
        // The tunnel forwards no extensions, so a size has only digits.
        if size.is_empty() || size.len() > 15 || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("chunk size {size:?}"));
        }
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("chunk size {size:?}"))?;
        at = next;
        if size == 0 {
            break;
        }
        let Some(content) = bytes.get(at..at + size) else { return Ok(Read::Partial) };
        message.body.extend_from_slice(content);
        at += size;
        match bytes.get(at..at + 2) {
            None => return Ok(Read::Partial),
            Some(b"\r\n") => at += 2,
            Some(end) => return Err(format!("{end:?} behind a chunk")),
        }
    }
    loop {
        let Some((text, next)) = line(bytes, at, Controls::Refused)? else { return Ok(Read::Partial) };
        at = next;
        if text.is_empty() {
            return Ok(Read::Whole(Box::new(message), at));
        }
        message.trailers.push(field(&text)?);
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
