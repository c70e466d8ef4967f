//! Tests that invalid settings are refused in one line, and that variables created by Kubernetes are ignored.

use std::time::Duration;

use clap::CommandFactory;

use crate::config::SidecarOptions;
use crate::control_client::dial::StreamToken;
use crate::decorator::not_found_page::NotFoundSource;
use crate::exchange::options::Queries;
use crate::export::otlp::settings::Signal;
use crate::head::HeadLimits;
use crate::protocol::Protocol;
use crate::target::ServiceAddr;
use crate::timeouts::Timeouts;

fn config(variables: &[(&str, &str)]) -> Result<SidecarOptions, String> {
    config_with(&[], variables)
}

fn config_with(flags: &[&str], variables: &[(&str, &str)]) -> Result<SidecarOptions, String> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    SidecarOptions::from_settings(flags.iter().map(Into::into), owned).map_err(|why| why.to_string())
}

fn refusal(variables: &[(&str, &str)]) -> String {
    let why = config(variables).unwrap_err();
    assert!(!why.contains('\n'), "{why}");
    why
}

#[test]
fn the_defaults_hold_where_nothing_is_set() {
    let config = config(&[]).unwrap();
    assert_eq!(config.traffic_address(), "0.0.0.0:8080".parse().unwrap());
    assert_eq!(config.proxy.target, ServiceAddr::Loopback(8087));
    assert_eq!((config.proxy.limits, config.proxy.timeouts), (HeadLimits::default(), Timeouts::default()));
    assert_eq!(config.proxy.limits, HeadLimits { head_bytes: 98_304, target_bytes: 61_440, fields: 256 });
    assert_eq!(config.proxy.timeouts.idle, Duration::from_secs(75));
    assert_eq!(config.proxy.timeouts.body, Some(Duration::from_secs(60)));
    assert_eq!(config.admin_address(), "0.0.0.0:9191".parse().unwrap());
    assert_eq!(config.proxy.protected, ["/healthz", "/livez", "/readyz", "/health"]);
    assert_eq!((config.drain_grace, config.drain_timeout), (Duration::from_secs(5), Duration::from_secs(30)));
    assert!(config.control_plane.is_none() && config.stats_log.is_none() && config.not_found_page.is_none());
    assert_eq!((config.log.as_str(), config.workers, config.warnings.len()), ("info", None, 0));
}

#[test]
fn the_lowercase_variables_of_the_articles_work_and_upper_case_wins() {
    let lower = config(&[("port", "8081"), ("target_port", "8088")]).unwrap();
    assert_eq!((lower.traffic_address().port(), lower.proxy.target.port()), (8081, Some(8088)));
    let socket = config(&[("TARGET", "unix:/run/app.sock"), ("SITIO_PROTOCOL", "tcp"), ("SITIO_LISTEN", "::")]).unwrap();
    assert_eq!((socket.proxy.target.to_string().as_str(), socket.proxy.protocol), ("unix:/run/app.sock", Protocol::Tcp));
    assert_eq!(socket.traffic_address().to_string(), "[::]:8080");
    let both = config(&[("port", "8081"), ("PORT", "8082")]).unwrap();
    assert_eq!(both.traffic_address().port(), 8082);
}

#[test]
fn patterns_are_read_and_checked() {
    let config = config(&[("SITIO_ROUTES", "/users/{name}, /files/{path...},")]).unwrap();
    let routes: Vec<_> = config.proxy.routes.iter().map(mesh::routes::route_patterns::Pattern::as_str).collect();
    assert_eq!(routes, ["/users/{name}", "/files/{path...}"]);
    assert!(refusal(&[("SITIO_ROUTES", "/users/{name},/a/{b")]).ends_with("a name has letters, digits and _"));
    assert!(refusal(&[("SITIO_ROUTES", "/a/{b},/a/{c}")]).ends_with("/a/{b} and /a/{c} recognise the same paths"));
    assert!(refusal(&[("SITIO_ROUTES", "users")]).contains("must begin with /"));
}

#[test]
fn limits_and_times_are_settings_with_bounds() {
    let set = [
        ("SITIO_HEAD_BYTES_MAX", "20000"),
        ("SITIO_TARGET_BYTES_MAX", "8000"),
        ("SITIO_FIELDS_MAX", "512"),
        ("SITIO_BODY_TIMEOUT", "off"),
    ];
    let config = config(&set).unwrap();
    assert_eq!(config.proxy.limits, HeadLimits { head_bytes: 20_000, target_bytes: 8000, fields: 512 });
    assert_eq!(config.proxy.timeouts.body, None);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(refusal(&[("SITIO_FIELDS_MAX", "513")]), r#"SITIO_FIELDS_MAX is "513": expected a number from 16 to 512"#);
    assert!(refusal(&[("SITIO_TARGET_BYTES_MAX", "65535")]).ends_with("a number from 1024 to 65534"));
    assert!(refusal(&[("SITIO_HEAD_BYTES_MAX", "1M")]).ends_with("a number from 4096 to 196608"));
    assert!(refusal(&[("SITIO_BODY_TIMEOUT", "0s")]).ends_with("such as 30s, or off"));
}

#[test]
fn a_flag_has_the_last_word() {
    let why = config_with(&["--port", "1234", "--target-port=99999"], &[("PORT", "abc")]).unwrap_err();
    assert_eq!(why, r#"--target-port is "99999": expected a number from 1 to 65535"#);
    let options =
        config_with(&["--port", "1234", "--body-timeout=off"], &[("PORT", "99"), ("SITIO_BODY_TIMEOUT", "3s")]).unwrap();
    assert_eq!((options.traffic_address().port(), options.proxy.timeouts.body), (1234, None));
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    assert_eq!(refusal(&[("PORT", "abc")]), r#"PORT is "abc": expected a number from 0 to 65535"#);
    assert_eq!(refusal(&[("port", "-1")]), r#"port is "-1": expected a number from 0 to 65535"#);
    assert_eq!(refusal(&[("TARGET_PORT", "0")]), r#"TARGET_PORT is "0": expected a number from 1 to 65535"#);
    let circle = "the sidecar's own port, which would be a loop";
    assert_eq!(refusal(&[("TARGET_PORT", "8080")]), format!(r#"TARGET_PORT is "8080": that is {circle}"#));
    assert_eq!(refusal(&[("PORT", "8087")]), format!("the default of TARGET_PORT is {circle}"));
    assert!(refusal(&[("SITIO_ADMIN_PORT", "8087")]).starts_with(r#"SITIO_ADMIN_PORT is "8087": that is the port"#));
    for (name, value) in [
        ("SITIO_STATS_LOG", "often"),
        ("SITIO_STATS_LOG", "0s"),
        ("SITIO_ACCESS_LOG", "apache"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("SITIO_ACCESS_LOG_RATE", "0"),
        ("SITIO_WORKERS", "0"),
        ("SITIO_PROTOCOL", "udp"),
        ("TARGET", "unix:app.sock"),
        ("SITIO_PROTECTED", "healthz"),
        ("SITIO_LISTEN", "everywhere"),
        ("SITIO_DRAIN_GRACE", "5 bananas"),
        ("SITIO_CONTROL_PLANE", "127.0.0.1:8091"),
        ("DASHBOARD", "ftp://x"),
        ("SITIO_NOT_FOUND_PAGE", "/no/such/page.html"),
        ("SITIO_TOKEN_FILE", "/"),
        ("RUST_LOG", "a=b=c"),
    ] {
        assert!(refusal(&[(name, value)]).starts_with(&format!("{name} is {value:?}: expected ")), "{name}");
    }
    for address in ["http://sitio:8091", "http://10.0.0.7:8091"] {
        assert!(refusal(&[("MOTHERSHIP", address)]).contains("MOTHERSHIP is"), "{address}");
        assert!(
            refusal(&[("MOTHERSHIP", address)])
                .ends_with("set SITIO_ALLOW_PLAINTEXT=true if something else protects the network")
        );
        assert!(config(&[("MOTHERSHIP", address), ("SITIO_ALLOW_PLAINTEXT", "true")]).is_ok(), "{address}");
    }
    for address in ["http://localhost:8091", "http://[::1]:8091", "http://127.0.0.9:8091", "https://sitio:8091"] {
        assert!(config(&[("MOTHERSHIP", address)]).is_ok(), "{address}");
    }
}

#[test]
fn a_value_with_a_control_character_is_not_said_to_be_too_long() {
    let name = refusal(&[("SITIO_SERVICE", "sh\u{1}op")]);
    assert!(name.ends_with("expected a name without control characters, such as line ends"), "{name}");
    let long = refusal(&[("SITIO_SERVICE", &"s".repeat(254))]);
    assert!(long.ends_with("expected a name of at most 253 bytes, and this one has 254"), "{long}");
    let path = refusal(&[("SITIO_PROTECTED", "/health\u{1}z")]);
    assert!(path.contains("without control characters"), "{path}");
    let relative = refusal(&[("SITIO_PROTECTED", "healthz")]);
    assert!(relative.ends_with("expected paths that begin with /, separated by commas"), "{relative}");
}

#[test]
fn a_token_is_never_shown() {
    assert_eq!(
        refusal(&[("SITIO_TOKEN", "se\u{1}cret")]),
        "SITIO_TOKEN is not shown here: expected a token, but it holds something else than printable ASCII"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "secret\n").unwrap();
    let path = file.path().to_str().unwrap();
    let why = refusal(&[("SITIO_TOKEN", "secret"), ("SITIO_TOKEN_FILE", path)]);
    assert!(why.contains("only one of the two") && !why.contains("secret"), "{why}");
    let reported = config(&[("SITIO_TOKEN", "secret"), ("SITIO_CONTROL_PLANE", "http://127.0.0.1:1")]).unwrap();
    assert!(!format!("{reported:?}").contains("secret"), "{reported:?}");
    assert_eq!(reported.control_plane.unwrap().token, StreamToken::Text("secret".into()));
}

#[test]
fn a_file_that_holds_no_token_is_refused_with_the_reason_and_its_text_is_not_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (text, why) in [
        ("\u{feff}secret", "byte order mark"),
        ("secret\nanother\n", "more than one line"),
        ("secret ", "a space"),
        ("\n", "empty"),
    ] {
        std::fs::write(&file, text).unwrap();
        let refused = refusal(&[("SITIO_TOKEN_FILE", path)]);
        assert!(refused.contains(why) && !refused.contains("secret"), "{refused}");
    }
}

#[test]
fn a_token_file_without_an_end_is_refused() {
    let why = refusal(&[("SITIO_TOKEN_FILE", "/dev/zero")]);
    assert!(why.ends_with("it is over 4096 bytes"), "{why}");
}

#[test]
fn a_flag_must_not_show_the_token() {
    let why = config_with(&["--token", "s3cret"], &[]).unwrap_err();
    assert!(why.contains("SITIO_TOKEN") && why.contains("--token-file") && !why.contains("s3cret"), "{why}");
}

#[test]
fn what_kubernetes_makes_up_is_passed_over() {
    let config = config(&[
        ("PORT", "tcp://10.0.0.1:80"),
        ("port", "8081"),
        ("SITIO_ADMIN_PORT", "tcp://10.0.0.1:9191"),
        ("SITIO_ADMIN_PORT_9191_TCP", "tcp://10.0.0.1:9191"),
        ("SITIO_PORT", "tcp://10.0.0.1:8090"),
        ("SITIO_STATS_LOG", ""),
    ])
    .unwrap();
    assert_eq!((config.traffic_address().port(), config.admin_address().port()), (8081, 9191));
    assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
    assert_eq!(config.warnings[2], "ignoring unknown variables: SITIO_ADMIN_PORT_9191_TCP, SITIO_PORT");
}

#[test]
fn other_settings_are_taken_as_given() {
    let page = tempfile::NamedTempFile::new().unwrap();
    let config = config(&[
        ("PORT", "0"),
        ("SITIO_LISTEN", "127.0.0.1"),
        ("SITIO_ADMIN_PORT", "0"),
        ("DASHBOARD", "https://sitio:8091"),
        ("SITIO_STATS_LOG", "5s"),
        ("SITIO_NOT_FOUND_PAGE", page.path().to_str().unwrap()),
        ("SITIO_PROTECTED", "/up, /ready"),
        ("SITIO_WORKERS", "3"),
        ("SITIO_ACCESS_LOG", "json"),
        ("SITIO_SERVICE", "storefront"),
        ("POD_NAME", "web-0"),
        ("POD_IP", "10.0.0.7, fd00::7"),
    ])
    .unwrap();
    assert_eq!(
        (config.traffic_address().to_string(), config.admin_address().to_string()),
        ("127.0.0.1:0".into(), "127.0.0.1:0".into())
    );
    assert_eq!((config.stats_log, config.access_log_lines()), (Some(Duration::from_secs(5)), Some(1000)));
    assert_eq!(config.not_found_page, Some(NotFoundSource::File(page.path().to_owned())));
    assert_eq!((config.proxy.protected, config.workers), (vec!["/up".into(), "/ready".into()], Some(3)));
    assert_eq!((config.pod.pod, config.pod.service), (Some("web-0".into()), Some("storefront".into())));
    assert_eq!(config.control_plane.unwrap().uri, "https://sitio:8091");
    assert_eq!(config.pod.addresses, Some(vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()]));
    for wrong in ["10.0.0", "10.0.0.7,", "0.0.0.0", "ff02::1", "web-0"] {
        assert!(refusal(&[("POD_IP", wrong)]).contains("the pod's IP address"), "{wrong}");
    }
}

#[test]
fn the_variables_of_opentelemetry_are_heeded_once_there_is_a_collector() {
    let nowhere = config(&[("OTEL_TRACES_SAMPLER", "nonsense"), ("OTEL_SDK_DISABLED", "false")]).unwrap();
    assert!(nowhere.otlp.is_none(), "whatever else is set is none of ours");
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
    assert!(config(&[collector, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().otlp.is_none());
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a"),
    ] {
        assert!(refusal(&[collector, (name, value)]).starts_with(&format!("{name} is {value:?}: expected ")), "{name}");
    }
    let key = refusal(&[collector, ("OTEL_EXPORTER_OTLP_HEADERS", "secret")]);
    assert!(key.starts_with("OTEL_EXPORTER_OTLP_HEADERS is not shown here: expected "), "{key}");
    let reported = [
        collector,
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=secret"),
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let otlp = config(&reported).unwrap().otlp.unwrap();
    assert_eq!(otlp.resource(), [("service.name".to_owned(), "shop".to_owned())]);
    assert_eq!((otlp.timeout, otlp.metrics), (Duration::from_secs(10), Signal::Off));
    assert!(!format!("{otlp:?}").contains("secret"), "{otlp:?}");
}

#[test]
fn the_flags_are_well_formed() {
    SidecarOptions::command().debug_assert();
    let why = config_with(&["--pod-name", "web-0"], &[]).unwrap_err();
    assert!(why.contains("unexpected argument '--pod-name'"), "{why}");
    let help = config_with(&["--help"], &[("PORT", "1234")]).unwrap_err();
    assert!(help.contains("[env: PORT]") && help.contains("[default: 8080]"), "{help}");
    assert!(!help.contains("--pod-name") && !help.contains("--token "), "{help}");
}

#[test]
fn queries_are_kept_only_if_that_is_asked_for_in_so_many_words() {
    assert_eq!(config(&[("SITIO_HISTORY_QUERY", "")]).unwrap().proxy.queries, Queries::Dropped);
    assert_eq!(config(&[("SITIO_HISTORY_QUERY", "keep")]).unwrap().proxy.queries, Queries::Kept);
    assert!(refusal(&[("SITIO_HISTORY_QUERY", "yes")]).contains("keep or drop"));
}
