//! Runs a real nginx as a reverse proxy in front of a control plane, with minimal configuration.

use std::process::Command;

use tempfile::TempDir;

use crate::client::Client;
use crate::eventually::{SOON, eventually};
use crate::process::Process;
use crate::reserved_port::ReservedPort;

/// A reserved port for an nginx that starts later, because the server behind it may need to know the port.
pub struct NginxConfig {
    reserved: ReservedPort,
    folder: TempDir,
}

/// A running nginx. Dropping it stops it.
pub struct Nginx {
    _process: Process,
    _place: NginxConfig,
}

impl NginxConfig {
    /// A free port, and a folder for nginx.
    #[track_caller]
    pub fn free() -> Self {
        Self { reserved: ReservedPort::reserve(), folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.reserved.port
    }

    /// The folder for files that the `server` block refers to.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Starts nginx with this text in its `server` block, and waits until it accepts connections. `tls` is ` ssl` or
    /// empty.
    #[track_caller]
    pub fn start(self, tls: &str, server: &str) -> Nginx {
        let (folder, port) = (self.folder.path(), self.port());
        let shown = folder.display();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {shown}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n  \
             client_body_temp_path {shown}/body;\n  proxy_temp_path {shown}/proxy;\n  fastcgi_temp_path {shown}/fastcgi;\n  \
             uwsgi_temp_path {shown}/uwsgi;\n  scgi_temp_path {shown}/scgi;\n  \
             server {{\n    listen 127.0.0.1:{port}{tls};\n    {server}\n  }}\n}}\n"
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config).expect("the folder can be written to");
        let mut command = Command::new(program());
        command.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(file);
        let process = Process::start(command);
        eventually(SOON, || Ok(Client::try_connect(port).map(drop)?));
        Nginx { _process: process, _place: self }
    }
}

/// The path of nginx. Debian installs it outside the usual `PATH` of a user.
#[track_caller]
fn program() -> &'static str {
    let places = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx", "/opt/homebrew/bin/nginx"];
    places.into_iter().find(|place| std::path::Path::new(place).exists()).expect("nginx is missing: run tests/install")
}
