//! Prints each exchange when it has ended, and each failure of the service at once.

use sidecar::{Ambassador, on_exchange, on_status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    Ambassador::from_process()?
        .decorate(on_status(500..=599, |response| eprintln!("{} failed with {}", response.endpoint(), response.status)))
        .decorate(on_exchange(|exchange| println!("{} {} {:?}", exchange.endpoint, exchange.status, exchange.took)))
        .run()
        .await
}
