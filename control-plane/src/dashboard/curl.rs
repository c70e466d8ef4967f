//! Formats a request as a curl command that is safe to paste into a shell.

use std::fmt::Write as _;

use mesh::endpoint::Endpoint;

use crate::rules::command::NAMESPACE;

/// The method under which non-HTTP traffic is counted.
const NOT_HTTP: &str = "TCP";

/// The command that sends the same request again; empty if it was not HTTP.
///
/// The host is the service's name, as in other pods. Bodies are not recorded: the command reads a
/// file. curl must neither expand braces nor remove dot segments from the path.
pub fn command(namespace: &str, service: &str, endpoint: &Endpoint, path: &str, bytes_in: u64) -> String {
    let method = endpoint.method();
    if endpoint.is_other() || method == NOT_HTTP {
        return String::new();
    }
    let host = if namespace == NAMESPACE { service.to_owned() } else { format!("{service}.{namespace}") };
    let mut command = "curl -i".to_owned();
    match method {
        "GET" => {}
        "HEAD" => command.push_str(" --head"),
        _ => {
            let _ = write!(command, " -X {}", word(method));
        }
    }
    if bytes_in > 0 {
        command.push_str(" --data-binary @body");
    }
    if path.starts_with('/') {
        let _ = write!(command, " --globoff --path-as-is {}", quoted(&format!("http://{}{}", visible(&host), visible(path))));
    } else {
        let _ =
            write!(command, " --request-target {} {}", quoted(&visible(path)), quoted(&format!("http://{}/", visible(&host))));
    }
    command
}

/// A shell word, quoted if necessary.
pub fn word(text: &str) -> String {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// Within single quotes only the quote itself is special to a shell (POSIX.1-2024, Shell, 2.2.2).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Percent-encodes every byte that is not visible ASCII, as in a URL.
fn visible(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut visible, byte| {
        if byte.is_ascii_graphic() {
            visible.push(char::from(byte));
        } else {
            let _ = write!(visible, "%{byte:02X}");
        }
        visible
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn of(method: &str, path: &str, bytes_in: u64) -> String {
        command("default", "payments", &Endpoint::named(method, "/x").unwrap(), path, bytes_in)
    }

    #[test]
    fn a_request_becomes_a_command() {
        assert_eq!(of("GET", "/api/x?a=1&b=2", 0), "curl -i --globoff --path-as-is 'http://payments/api/x?a=1&b=2'");
        assert_eq!(of("POST", "/x", 7), "curl -i -X POST --data-binary @body --globoff --path-as-is 'http://payments/x'");
        assert_eq!(of("HEAD", "/x", 0), "curl -i --head --globoff --path-as-is 'http://payments/x'");
        assert_eq!(of("OPTIONS", "*", 0), "curl -i -X OPTIONS --request-target '*' 'http://payments/'");
        assert_eq!(of("TCP", "/", 0), "");
        assert!(command("shop", "payments", &Endpoint::named("GET", "/").unwrap(), "/", 0).contains("http://payments.shop/"));
        assert_eq!(command("default", "payments", &Endpoint::other(), "/", 0), "");
    }

    #[test]
    fn a_shell_sees_one_word_whatever_the_path_says() {
        let hostile = [
            "/'; touch /tmp/x; '",
            "/$(id)`id`",
            "/a\"b\\c",
            "/\u{202e}gpj.exe",
            "/a\nb",
            "/-rf *",
            "/''''",
            "/!!",
            "/{a,b}[1-9]",
        ];
        for path in hostile {
            let command = of("GET", path, 0);
            let script = format!("printf '%s\\n' {}", command.strip_prefix("curl ").unwrap());
            let said = String::from_utf8(Command::new("sh").args(["-c", &script]).output().unwrap().stdout).unwrap();
            let words: Vec<&str> = said.lines().collect();
            assert_eq!(words, ["-i", "--globoff", "--path-as-is", &format!("http://payments{}", visible(path))], "{command}");
        }
    }
}
