//! Tests of the harness itself, without a sidecar, so that failures elsewhere are not its own.

use std::time::Duration;

use crate::body::Check;
use crate::client::Client;
use crate::http::{write_chunked, write_plain};
use crate::origin::Origin;
use crate::process::Process;

#[test]
fn the_client_and_the_origin_understand_each_other_in_every_framing() {
    let origin = Origin::start();
    let mut client = Client::connect(origin.port());

    for size in [0, 1, 65_537, 5_000_000] {
        for framing in ["bytes", "chunked"] {
            client.send(format!("GET /{framing}/{size} HTTP/1.1\r\nHost: shop\r\n\r\n"));
            let (_, check, _) = client.checked_response("GET");
            assert_eq!(check, Check { bytes: size, differs_at: None }, "{framing}");
        }
        client.send(format!("POST /sink HTTP/1.1\r\nHost: shop\r\nContent-Length: {size}\r\n\r\n"));
        write_plain(client.writer(), size).unwrap();
        assert_eq!(client.response("POST").text(), format!("Length({size}) bytes={size} differs_at=None trailers=[]"));
        client.send("POST /sink HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n");
        write_chunked(client.writer(), size).unwrap();
        assert!(client.response("POST").text().contains(&format!("bytes={size} differs_at=None")));
    }
}

#[test]
fn a_wrong_byte_a_lost_one_and_a_doubled_one_are_noticed() {
    let right = crate::body::whole(3000);
    let first_fault = |bytes: &[u8]| {
        let mut check = Check::default();
        bytes.chunks(7).for_each(|piece| check.take(piece));
        check.differs_at
    };
    let mut wrong = right.clone();
    wrong[1234] ^= 1;
    let mut lost = right.clone();
    lost.remove(1500);
    let mut doubled = right.clone();
    doubled.insert(2001, right[2001]);

    assert_eq!(first_fault(&right), None);
    assert_eq!(first_fault(&wrong), Some(1234));
    // A neighbouring byte may be equal by chance, which only moves the offset of the difference.
    assert!(first_fault(&lost).is_some_and(|at| (1500..1510).contains(&at)));
    assert!(first_fault(&doubled).is_some_and(|at| (2001..2010).contains(&at)));
}

#[test]
fn a_process_is_gone_when_its_handle_is() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    let mut stubborn = Process::start(command);
    stubborn.line("that it is ready", |line| (line == "ready").then_some(()));
    let proc = std::path::PathBuf::from(format!("/proc/{}", stubborn.id()));
    assert!(proc.exists());

    stubborn.signal(rustix::process::Signal::TERM);
    drop(stubborn);

    assert!(!proc.exists(), "it was killed and waited for");
    let mut quick = Process::start(std::process::Command::new("true"));
    assert!(quick.ended(Duration::from_secs(10)).success());
}
