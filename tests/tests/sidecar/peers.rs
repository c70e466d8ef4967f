//! Tests third-party clients and services on both sides of a sidecar: Python, Node, curl and WebSocket.

use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

use scenario::body;
use scenario::foreign_peer::{Language, curl};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;
use tungstenite::{Bytes, Message};

/// The expected output of the clients in `services/`, in every combination.
const CONVERSATION: [&str; 10] = [
    r#"["get",200,"hello"]"#,
    r#"["head",200,""]"#,
    r#"["missing",404,"not here"]"#,
    r#"["stream",200,"one two three"]"#,
    r#"["post",201,"posted"]"#,
    r#"["chunks",201,"in three pieces"]"#,
    r#"["long",201,"the same"]"#,
    r#"["delete",204,""]"#,
    r#"["again",200,"hello"]"#,
    r#"["one connection",0,"true"]"#,
];

#[test]
fn python_and_node_talk_through_the_sidecar_unchanged() {
    for service in Language::ALL {
        let running = service.serve("service");
        let sidecar = Sidecar::in_front_of(running.port);
        for client in Language::ALL {
            let said: Vec<String> = client.talk(sidecar.port).iter().map(|line| line.replace(", ", ",")).collect();
            assert_eq!(said, CONVERSATION, "{client:?} with {service:?}");
        }
        sidecar.expect_idle();
        sidecar.expect_counted(201, 6);
        sidecar.expect_counted(204, 2);
    }
}

#[test]
fn curl_keeps_its_connection() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    let url = format!("http://127.0.0.1:{}", sidecar.port);

    let output = "%{http_code} %{num_connects} %{http_version}\n";
    let urls = ["/bytes/100000", "/chunked/100000", "/status/204", "/last"].map(|path| format!("{url}{path}"));
    let mut arguments = vec!["--write-out", output];
    arguments.extend(urls.iter().flat_map(|url| ["--output", "/dev/null", url.as_str()]));
    let (said, _) = curl(&arguments);

    assert_eq!(said, "200 1 1.1\n200 0 1.1\n204 0 1.1\n200 0 1.1\n");
}

#[test]
fn curl_uploads_in_every_way_that_it_knows() {
    let origin = Origin::start();
    let sidecar = Sidecar::in_front_of(origin.port());
    let sink = format!("http://127.0.0.1:{}/sink", sidecar.port);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("upload");
    std::fs::write(&file, body::whole(3_000_000)).unwrap();
    let file = file.to_str().unwrap();
    let data = format!("@{file}");

    for (way, arguments, framing) in [
        ("with its length", vec!["--data-binary", &data, "--header", "Expect:"], "Length(3000000)"),
        ("in chunks", vec!["--data-binary", &data, "--header", "Transfer-Encoding: chunked", "--header", "Expect:"], "Chunked"),
        ("as a file", vec!["--upload-file", file], "Length(3000000)"),
        ("in HTTP/1.0", vec!["--http1.0", "--data-binary", &data], "Length(3000000)"),
    ] {
        let (said, _) = curl(&[arguments, vec![sink.as_str()]].concat());
        assert_eq!(said, format!("{framing} bytes=3000000 differs_at=None trailers=[]"), "{way}");
    }

    let (said, output) = curl(&["--verbose", "--data-binary", &data, "--header", "Expect: 100-continue", &sink]);
    assert!(said.contains("bytes=3000000 differs_at=None"), "{said}");
    assert!(output.contains("< HTTP/1.1 100 Continue"), "curl gets leave to go on: {output}");
    let (said, _) = curl(&["--http1.0", "--include", &format!("http://127.0.0.1:{}/chunked/10", sidecar.port)]);
    assert!(said.starts_with("HTTP/1.1 200") && !said.to_lowercase().contains("transfer-encoding"), "{said}");
}

#[test]
fn curl_speaks_http2_with_prior_knowledge() {
    let service = Language::Node.serve("http2");
    let sidecar = Sidecar::in_front_of(service.port);
    let url = format!("http://127.0.0.1:{}", sidecar.port);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("upload");
    std::fs::write(&file, body::whole(3_000_000)).unwrap();
    let data = format!("@{}", file.to_str().unwrap());
    let ask = |arguments: &[&str]| {
        let output = ["--http2-prior-knowledge", "--write-out", " %{http_code} %{http_version}\n"];
        curl(&[&output, arguments].concat()).0
    };

    let [hello, stream, missing, echo] = ["hello", "stream", "missing", "echo"].map(|path| format!("{url}/{path}"));
    // Each on its own connection: some versions of curl cannot send two requests on one, whatever the server.
    assert_eq!([&hello, &stream, &missing].map(|url| ask(&[url])).concat(), "hello 200 2\none two three 200 2\nnot here 404 2\n");
    let echoed = folder.path().join("echoed");
    let said = ask(&["--data-binary", &data, "--output", echoed.to_str().unwrap(), &echo]);

    assert_eq!(said, " 201 2\n");
    assert!(std::fs::read(echoed).unwrap() == body::whole(3_000_000), "the upload came back changed");
    sidecar.expect_counted(200, 2);
    sidecar.expect_counted(201, 1);
    sidecar.expect_idle();
}

/// A WebSocket service that echoes messages until the client closes.
fn echoing() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    let port = listener.local_addr().expect("a bound listener has an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // A readiness probe connects and sends nothing.
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_text() || message.is_binary() {
                        socket.send(message).expect("the client listens");
                    }
                }
            });
        }
    });
    port
}

#[test]
fn websockets_pass_frame_by_frame_and_are_one_exchange_each() {
    let sidecar = Sidecar::in_front_of(echoing());
    let stream = TcpStream::connect(("127.0.0.1", sidecar.port)).unwrap();
    let url = format!("ws://127.0.0.1:{}/socket", sidecar.port);
    let (mut socket, answer) = tungstenite::client(url, stream).unwrap();
    assert_eq!(answer.status(), 101);
    let long = Bytes::from(body::whole(1_000_000));

    for round in 0..50 {
        socket.send(Message::text(format!("round {round}"))).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(format!("round {round}")));
    }
    socket.send(Message::Binary(long.clone())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Binary(long));
    socket.send(Message::Ping(Bytes::from_static(b"there?"))).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(Bytes::from_static(b"there?")));
    assert_eq!(sidecar.metric("http_server_active_requests", "/socket"), 1, "an open one is seen to be open");
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))), "the other side has closed too");
    assert!(socket.read().is_err(), "and the connection ends");
    drop(socket);

    sidecar.expect_idle();
    sidecar.expect_counted(101, 1);
    for direction in ["request", "response"] {
        let bytes = sidecar.metric(&format!("http_server_{direction}_body_size_bytes_sum"), "/socket");
        assert!((1_000_000..1_010_000).contains(&bytes), "{bytes} bytes of {direction}");
    }
}
