//! Tests of a full disk: counts continue in memory, the status reports it, rules are refused, and the store recovers by itself.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mesh::report::Coverage::{Change, Snapshot};
use mesh::window::slot_of;
use proto::wire::down;
use reqwest::{Method, StatusCode};

use control_plane::clock::now_ms;

use crate::harness::{FakeSidecar, TestControlPlane, disable_command, eventually, greeting, hits};

/// The program as a process whose writes can be limited. It ignores SIGXFSZ, so that a write over
/// the limit fails with an error.
struct Program(Child);

impl Program {
    fn start(folder: &Path) -> (Self, TestControlPlane) {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\"", env!("CARGO_BIN_EXE_sitio-control-plane")]);
        command.env("SITIO_HTTP_ADDR", "127.0.0.1:0").env("SITIO_GRPC_ADDR", "127.0.0.1:0").env("SITIO_DATA_DIR", folder);
        let mut child = command.env("NO_COLOR", "1").stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listening = lines.find(|line| line.contains("listening")).expect("it listens");
        let address = |name: &str| -> SocketAddr {
            let text = listening.split(name).nth(1).unwrap();
            text.split_whitespace().next().unwrap().parse().unwrap()
        };
        let server = TestControlPlane::at(address("http="), address("grpc="));
        // The program would block if its output were not read.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), server)
    }

    /// Limits the size of the files that it may write.
    fn may_write(&self, bytes: &str) {
        let limit = format!("--fsize={bytes}:unlimited");
        let set = Command::new("prlimit").args(["--pid", &self.0.id().to_string(), &limit]).status().unwrap();
        assert!(set.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn acked(sidecar: &mut FakeSidecar, slot: u64) {
    loop {
        if let down::Message::Acked(ack) = sidecar.next_message().await.unwrap().unwrap()
            && ack.durable_window == slot
        {
            return;
        }
    }
}

async fn is_durable(server: &TestControlPlane, expected: bool) -> serde_json::Value {
    eventually(async || {
        let status = server.get("/api/v1/status").await;
        if status["store"]["durable"] == expected { Ok(status) } else { Err(status) }
    })
    .await
}

#[tokio::test]
async fn counting_goes_on_in_memory_and_everything_is_written_when_there_is_room() {
    let (folder, slot) = (tempfile::tempdir().unwrap(), slot_of(now_ms()) - 9);
    let (program, server) = Program::start(folder.path());
    let mut who = greeting("shop", "shop-1");
    let mut sidecar = server.attach_as(who.clone()).await;
    sidecar.report(Snapshot, &[("/a", hits(1))]).await;
    sidecar.window(slot, false, &[("/a", hits(1))]).await;
    acked(&mut sidecar, slot).await;

    program.may_write("4096");
    sidecar.report(Change, &[("/a", hits(2))]).await;
    sidecar.window(slot + 1, false, &[("/a", hits(2))]).await;
    let status = is_durable(&server, false).await;
    assert!(status["store"]["why"].is_string() && status["store"]["not_durable_since"].is_string(), "{status}");
    sidecar.report(Change, &[("/a", hits(4))]).await;
    server.row_with("shop", "/a", 7).await;
    let page = reqwest::get(format!("http://{}/", server.http)).await.unwrap().text().await.unwrap();
    assert!(page.contains("<title>(1) Sitio</title>") && page.contains("Nothing written for"), "the dashboard says so: {page}");
    let (answered, problem) = server.ask(Method::POST, "/api/v1/rules", Some(&disable_command("shop", "/a"))).await;
    assert_eq!((answered, &problem["type"]), (StatusCode::SERVICE_UNAVAILABLE, &"urn:sitio:problem:store".into()), "{problem}");
    assert_eq!(reqwest::get(format!("http://{}/readyz", server.http)).await.unwrap().status(), StatusCode::OK);
    // Reconnecting and new sidecars are admitted nevertheless.
    who.session += 1;
    let mut again = server.attach_as(who).await;
    again.report(Snapshot, &[("/a", hits(8))]).await;
    let mut newcomer = server.attach("shop", "shop-2").await;
    newcomer.report(Snapshot, &[("/a", hits(10))]).await;
    server.row_with("shop", "/a", 18).await;

    program.may_write("unlimited");
    again.window(slot + 1, false, &[("/a", hits(2))]).await;
    acked(&mut again, slot + 1).await;
    newcomer.window(slot + 2, false, &[("/a", hits(10))]).await;
    acked(&mut newcomer, slot + 2).await;
    is_durable(&server, true).await;
    server.turn_off("shop", "/a").await;
    drop(program);

    let (_program, server) = Program::start(folder.path());
    server.row_with("shop", "/a", 13).await;
    assert_eq!(server.get("/api/v1/rules").await["rules"].as_array().unwrap().len(), 1);
}
