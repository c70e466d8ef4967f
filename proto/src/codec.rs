//! The gRPC codec of the mesh protocol: like `tonic-prost`, but it decodes from one slice and uses small buffers.

use std::marker::PhantomData;

use prost::Message;
use prost::bytes::Buf;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Initial buffer size of each direction of a stream. The usual 8 KiB would be 160 MB for ten
/// thousand streams. A report of 20 endpoints has 1 kB; the buffer grows for a longer one.
const BUFFER_BYTES: usize = 1024;

/// Bytes that tonic batches before it yields them. The value is small because the peer waits for each message.
const YIELD_BYTES: usize = 8 * 1024;

/// Encodes `T` and decodes `U` with protobuf.
#[derive(Debug)]
pub struct MeshCodec<T, U>(PhantomData<(T, U)>);

/// Encodes or decodes one direction of a stream.
#[derive(Debug)]
pub struct Direction<T>(PhantomData<T>);

impl<T, U> Default for MeshCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for MeshCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Direction<T>;
    type Decoder = Direction<U>;

    fn encoder(&mut self) -> Direction<T> {
        Direction(PhantomData)
    }

    fn decoder(&mut self) -> Direction<U> {
        Direction(PhantomData)
    }
}

impl<T: Message> Encoder for Direction<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(into).map_err(|why| Status::internal(why.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}

impl<T: Message + Default> Decoder for Direction<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let bytes = from.remaining();
        // The message is contiguous. Decoding it from a slice costs half of what the buffer's own reader costs.
        let message = if from.chunk().len() == bytes { T::decode(from.chunk()) } else { T::decode(from.copy_to_bytes(bytes)) };
        let message = message.map_err(|why| Status::internal(why.to_string()))?;
        from.advance(from.remaining());
        Ok(Some(message))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}
