//! The client side of a sidecar's stream, for simulated sidecars.

use mesh::report::{Coverage, Report};
use mesh::rule::{Receipt, Verdict};
use mesh::window::Window;
use prost::Message;
use proto::convert::greeting::Greeting;
use proto::convert::live::Encoder;
use proto::convert::rules::{desired_rules, unsealed};
use proto::convert::windows::encode_window;
use proto::wire;
use proto::wire::mesh_client::MeshClient;
use proto::wire::{Down, Up, Welcome, down, up};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::swarm::traffic::{Covered, PodTraffic, RESOURCES};

/// Capacity of the queue of frames to send, as in the real sidecar.
const UP_FRAMES_MAX: usize = 2;

/// One open stream.
pub(super) struct SwarmStream {
    up: mpsc::Sender<Up>,
    down: Streaming<Down>,
    encoder: Encoder,
    /// Whether all endpoints are already defined on this stream.
    has_named: bool,
}

/// The encoded rows of one second of traffic, for a stream on which the endpoints are defined. A
/// real sidecar encodes them itself, but it does not share its core with ten thousand others.
pub(super) struct Second(Vec<u8>);

impl Second {
    pub(super) fn of(traffic: &PodTraffic) -> Self {
        let (mut encoder, second) = (Encoder::default(), Covered { seq: 0, coverage: Coverage::Change, seconds: 1, at_ms: 0 });
        let [_, stats] = [0, 1].map(|_| encoder.encode(&traffic.report(second)).stats);
        Self(wire::Live { stats, ..wire::Live::default() }.encode_to_vec())
    }

    fn on_wire(&self, seq: u64, at_ms: u64) -> Vec<u8> {
        let head = wire::Live { seq, at_ms, resources: Some(RESOURCES.into()), ..wire::Live::default() };
        [head.encode_to_vec(), self.0.clone()].concat()
    }
}

/// A message from the control plane.
pub(super) enum StreamMessage {
    /// A rule set, and the receipt for it.
    Rules(Receipt),
    /// Everything up to this slot is durable.
    Kept(u64),
    /// A message that needs no action.
    Nothing,
    /// The stream has ended.
    End(String),
}

impl SwarmStream {
    /// Sends the hello, and waits for the welcome.
    pub(super) async fn open(channel: Channel, greeting: Greeting) -> Result<(Self, Welcome), Status> {
        let (up, rest) = mpsc::channel(UP_FRAMES_MAX);
        // The channel is new and has capacity.
        let _ = up.try_send(Up { message: Some(up::Message::Hello(greeting.into())) });
        let mut down = MeshClient::new(channel).attach(Request::new(ReceiverStream::new(rest))).await?.into_inner();
        match down.message().await?.and_then(|down| down.message) {
            Some(down::Message::Welcome(welcome)) => {
                Ok((Self { up, down, encoder: Encoder::default(), has_named: false }, welcome))
            }
            other => Err(Status::internal(format!("no welcome, but {other:?}"))),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.up.capacity() > 0
    }

    /// Sends a report, and returns its size in bytes.
    pub(super) fn report(&mut self, report: &Report) -> Result<usize, ()> {
        self.has_named |= !report.endpoints.is_empty();
        let live = self.encoder.encode(report);
        self.send(live.into())
    }

    /// Sends the report of one second, if the endpoints are already defined.
    pub(super) fn second(&mut self, seq: u64, at_ms: u64, second: &Second) -> Option<Result<usize, ()>> {
        self.has_named.then(|| self.send(up::Message::Live(second.on_wire(seq, at_ms).into())))
    }

    /// Sends a window, and returns its size in bytes.
    pub(super) fn window(&mut self, window: &Window) -> Result<usize, ()> {
        let window = encode_window(&mut self.encoder, window);
        self.send(window.into())
    }

    fn send(&self, message: up::Message) -> Result<usize, ()> {
        let up = Up { message: Some(message) };
        let bytes = up.encoded_len();
        self.up.try_send(up).map(|()| bytes).map_err(|_| ())
    }

    pub(super) async fn confirm(&self, receipt: Receipt) {
        // If the stream has ended, its receiving half reports it.
        let _ = self.up.send(Up { message: Some(up::Message::Applied(receipt.into())) }).await;
    }

    /// Returns the next message. A rule set is validated as in the real sidecar.
    pub(super) async fn receive(&mut self) -> StreamMessage {
        let desired = match self.down.message().await {
            Err(status) => return StreamMessage::End(status.to_string()),
            Ok(None) => return StreamMessage::End("the control plane closed the stream".to_owned()),
            Ok(Some(Down { message: Some(down::Message::Desired(desired)), .. })) => desired,
            Ok(Some(Down { message: Some(down::Message::Acked(ack)), .. })) => return StreamMessage::Kept(ack.durable_window),
            Ok(Some(_)) => return StreamMessage::Nothing,
        };
        let desired = match unsealed(&desired) {
            Ok(desired) => desired,
            Err(why) => return StreamMessage::End(why.to_string()),
        };
        let revision = desired.revision;
        let verdict = match desired_rules(desired) {
            Ok(_) => Verdict::Applied,
            Err(refusals) => Verdict::Refused(refusals),
        };
        StreamMessage::Rules(Receipt { revision, verdict, took_us: 0 })
    }
}

#[cfg(test)]
mod tests {
    use proto::convert::live::Decoder;

    use super::*;

    #[test]
    fn a_second_that_was_made_once_is_read_as_one_that_was_made_now() {
        let traffic = PodTraffic::of(3);
        let report = |seq| traffic.report(Covered { seq, coverage: Coverage::Change, seconds: 1, at_ms: 5 });
        let mut decoder = Decoder::default();
        decoder.decode(&Encoder::default().encode(&report(1)).encode_to_vec()).unwrap();
        assert_eq!(decoder.decode(&Second::of(&traffic).on_wire(9, 5)), Ok(report(9)));
    }
}
