//! Answers every request with a maintenance page while a file exists, and lets health checks pass.

use std::path::Path;

use sidecar::{Ambassador, Answer, Decorator, Request, Step};

/// Answers while the file exists.
struct Maintenance {
    file: String,
}

impl Decorator for Maintenance {
    fn name(&self) -> &'static str {
        "maintenance"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        if request.target() == "/healthz" || !Path::new(&self.file).exists() {
            return Step::Pass;
        }
        Step::Answer(Answer::text(503, "We are back in a few minutes.\n").with("Retry-After", "120"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let file = std::env::var("MAINTENANCE_FILE").unwrap_or_else(|_| "/tmp/maintenance".to_owned());
    Ambassador::from_process()?.decorate(Maintenance { file }).run().await
}
