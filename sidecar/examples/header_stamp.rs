//! Stamps each request for the service and each response for the caller, without a trait.

use sidecar::{Ambassador, Step, on_request, on_status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    Ambassador::from_process()?
        .decorate(on_request(|request| {
            let caller = request.caller().map_or_else(String::new, |caller| caller.to_string());
            request.set("X-Stamped-For", caller);
            Step::Pass
        }))
        .decorate(on_status(200..=599, |response| response.set("X-Stamped-By", "sitio")))
        .run()
        .await
}
