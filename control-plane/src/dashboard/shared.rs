//! One event stream for all windows of a browser: the events of several views, each with its view's number.
//!
//! Browsers open six HTTP/1.1 connections to one address, for all windows together. So all windows share one stream.

use axum::extract::Query;
use axum::http::Uri;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;

use crate::dashboard::state::DashboardState;
use crate::dashboard::stream::{Events, StreamRefusal, answer};
use crate::dashboard::zone::Zone;
use crate::dashboard::{events, tap};

/// Views in one stream. A person has fewer visible windows; each view costs as much as a separate stream.
pub const VIEWS_MAX: usize = 32;

/// `GET /events/shared?view=…&view=…`. Each view is the address of a stream, such as `events?page=pods`.
pub async fn events(
    Query(parts): Query<Vec<(String, String)>>,
    zone: Zone,
    state: DashboardState,
) -> Result<Response, StreamRefusal> {
    let views: Vec<&str> = parts.iter().filter(|(name, _)| name == "view").map(|(_, view)| &**view).collect();
    if views.is_empty() || views.len() > VIEWS_MAX {
        return Err(StreamRefusal::Unknown(format!(
            "{} views requested, 1 to {VIEWS_MAX} allowed: close some windows",
            views.len()
        )));
    }
    let mut all = SelectAll::new();
    for (number, view) in views.into_iter().enumerate() {
        // An event's id is the number of its view. A client that reconnects starts anew, so no id must be remembered.
        all.push(one(&state, view, zone.clone())?.map(move |event| marked(number, &event)).boxed());
    }
    Ok(answer(all.boxed()))
}

/// The events of one view.
fn one(state: &DashboardState, view: &str, zone: Zone) -> Result<Events, StreamRefusal> {
    let unknown = |why: String| StreamRefusal::Unknown(format!("view={view} is not the address of a stream: {why}"));
    let address: Uri = format!("/{view}").parse().map_err(|error| unknown(format!("{error}")))?;
    match address.path() {
        "/events" => {
            let Query(query) = Query::try_from_uri(&address).map_err(|error| unknown(error.body_text()))?;
            events::open(state, query, zone)
        }
        "/tap/events" => {
            let Query(query) = Query::try_from_uri(&address).map_err(|error| unknown(error.body_text()))?;
            tap::open(state, &query)
        }
        _ => Err(unknown("it must begin with events? or tap/events?".into())),
    }
}

fn marked(number: usize, event: &Bytes) -> Bytes {
    [format!("id: {number}\n").as_bytes(), event].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_of_which_view_it_is() {
        assert_eq!(marked(3, &Bytes::from_static(b"event: tick\ndata: 1\n\n")), "id: 3\nevent: tick\ndata: 1\n\n");
    }
}
