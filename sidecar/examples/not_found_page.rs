//! A page of its own in place of a service's 404 pages: the first decorator of the original articles.

use sidecar::{Ambassador, NotFoundPage};

const PAGE: &str = "<!doctype html><title>Not found</title><h1>Look somewhere else</h1>";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    Ambassador::from_process()?.decorate(NotFoundPage::html(PAGE)).run().await
}
