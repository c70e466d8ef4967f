//! Joins the fragments of a field block that continues in CONTINUATION frames (RFC 9113, sections 4.3 and 6.10).

use crate::error_code::ConnectionError;
use crate::frame::{EndStream, StreamId};
use crate::limits::Limits;

/// A buffer that grew beyond this for an unusual block is freed after it.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// A field block whose end has not arrived, or none.
#[derive(Debug, Default)]
pub(crate) struct FieldBlock {
    owner: Option<BlockOwner>,
    bytes: Vec<u8>,
    continuations: u32,
}

/// What a field block belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockOwner {
    pub(crate) stream: StreamId,
    pub(crate) end: EndStream,
    pub(crate) target: Target,
}

/// What becomes of a field block. Every block is decoded, to keep the compression table in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Request,
    Response,
    Trailers,
    /// A request over the limit of open streams.
    Refused,
    /// A stream that the peer has ended.
    Ended,
    /// A stream that we have reset, or that is above the last one of our GOAWAY.
    Ignored,
}

impl FieldBlock {
    /// The stream of the unfinished block. Only its CONTINUATION frames may follow.
    pub(crate) fn stream(&self) -> Option<StreamId> {
        self.owner.map(|owner| owner.stream)
    }

    /// Keeps the first fragment.
    pub(crate) fn begin(&mut self, owner: BlockOwner, fragment: &[u8], limits: &Limits) -> Result<(), ConnectionError> {
        self.owner = Some(owner);
        self.continuations = 0;
        self.append(fragment, limits)
    }

    /// Adds the fragment of a CONTINUATION frame.
    pub(crate) fn extend(&mut self, fragment: &[u8], limits: &Limits) -> Result<(), ConnectionError> {
        self.continuations += 1;
        if self.continuations > limits.continuations {
            return Err(ConnectionError::flood("a field block has too many CONTINUATION frames"));
        }
        self.append(fragment, limits)
    }

    /// Takes the whole block. `recycle` brings the buffer back.
    pub(crate) fn take(&mut self) -> Option<(BlockOwner, Vec<u8>)> {
        Some((self.owner.take()?, std::mem::take(&mut self.bytes)))
    }

    /// Keeps a buffer for the next block.
    pub(crate) fn recycle(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= KEPT_BYTES_MAX {
            bytes.clear();
            self.bytes = bytes;
        }
    }

    fn append(&mut self, fragment: &[u8], limits: &Limits) -> Result<(), ConnectionError> {
        if self.bytes.len() + fragment.len() > limits.field_block_bytes {
            return Err(ConnectionError::flood("a field block is too large"));
        }
        self.bytes.extend_from_slice(fragment);
        Ok(())
    }
}
