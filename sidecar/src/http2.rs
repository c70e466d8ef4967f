//! Serves a downstream connection that uses HTTP/2, for example gRPC. Each stream is an exchange.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;

use crate::exchange::context::WorkerContext;
use crate::http2::connection_state::ConnectionState;
use crate::http2::shared_exchange::DownstreamReceiver;
use crate::socket::buffered_conn::BufferedConn;
use crate::socket::deadlines::Deadline;

mod connection;
mod connection_state;
mod downstream_events;
mod exchange_record;
mod exchanges;
mod grpc;
mod held_requests;
mod http1_messages;
mod http1_upstream;
mod kept_request;
mod limits;
mod own_response;
mod proxied_exchange;
mod read_ahead;
mod request_head;
mod response_head;
mod shared_exchange;
mod transfer;
mod upstream_events;
mod upstreams;

/// Serves the connection until it is closed. Bytes already read from it, such as the preface, come first. `forwarded` are
/// the header lines that describe the caller to the service.
pub async fn serve(
    worker: &Rc<WorkerContext>,
    downstream: &mut BufferedConn,
    timer: &Rc<Deadline>,
    caller: IpAddr,
    forwarded: &str,
) {
    let state = Rc::new(RefCell::new(ConnectionState::new(worker, timer, caller, forwarded)));
    state.borrow_mut().receiver = Some(Rc::new(DownstreamReceiver::new(&state)));
    poll_fn(|cx| connection::poll(&mut state.borrow_mut(), downstream, cx)).await;
    poll_fn(|cx| {
        connection::close(&mut state.borrow_mut(), cx);
        Poll::Ready(())
    })
    .await;
}
