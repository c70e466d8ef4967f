//! One request and its response, as remembered afterwards.

/// Bytes kept of a path in the history. The endpoint has the route; this is what a person recognises a call by.
pub const PATH_BYTES_MAX: usize = 256;

/// A finished exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// When the request's head had arrived, milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// From the request's head to the response's last byte, in microseconds.
    pub took_us: u64,
    /// The status sent downstream; 499 if the downstream left before there was one.
    pub status: u16,
    /// The reason phrase that came with it; often empty.
    pub reason: String,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// The path as it was asked for, without the query, cut at [`PATH_BYTES_MAX`].
    pub path: String,
    /// The id of the rule that answered in the service's place, if one did.
    pub rule: Option<String>,
}
