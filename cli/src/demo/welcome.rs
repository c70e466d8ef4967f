//! The text that the demo prints at its start: the dashboard's URL, and commands to try.

use std::env;
use std::net::SocketAddr;

use crate::color::ColorMode;
use crate::data_dir::HTTP_PORT;
use crate::demo::pods::DemoPod;
use crate::demo::shop::ShopService;

/// The text, ready to print.
pub(crate) fn words(paint: ColorMode, dashboard: SocketAddr, control_plane: u32, pods: &[DemoPod], traffic: &str) -> String {
    let title = paint.title("Sitio demo: a small shop, behind a mesh");
    let link = paint.link(format!("http://{dashboard}"));
    let sitio = sitio();
    let url = url_flag(dashboard);
    let typed = |words: &str| format!("       {}", paint.typed(format!("{sitio} {words}{url}")));
    let (top, stat, check) = (typed("top"), typed("stat"), typed("check"));
    let turn_off = typed("disable legacy GET /legacy/export --ttl 15m --reason 'trying the switch' --wait");
    let ask = ask(pods).map(|line| format!("       {}", paint.typed(line))).collect::<Vec<_>>().join("\n");
    let numbers = paint.typed(format!("curl -s http://{dashboard}/api/v1/endpoints"));
    let kill = paint.typed(format!("kill -9 {control_plane}"));
    let pods = pods.len();
    format!(
        "
  {title}

  Dashboard  {link}
  Pods       {pods}, two each of storefront, payments, search and legacy
  Traffic    {traffic}

  Try this, in another terminal:
    1. Watch it live, ask for the numbers once, or look for what is wrong.
{top}
{stat}
{check}
    2. Turn GET /legacy/export off on the dashboard, or by hand.
{turn_off}
    3. Ask both pods for it, through their sidecars: 200 while it is on, 503 once it is off.
{ask}
    4. See the numbers as JSON.
       {numbers}
    5. Kill the control plane, process {control_plane}: it is started again, and no number changes.
       {kill}

  Ctrl-C ends everything.
"
    )
}

/// The flag that names the dashboard, if it is not at the usual port.
pub(super) fn url_flag(dashboard: SocketAddr) -> String {
    if dashboard.port() == HTTP_PORT { String::new() } else { format!(" --url http://{dashboard}") }
}

/// The path by which a user can start this program from another terminal.
pub(super) fn sitio() -> String {
    let program = env::current_exe().ok();
    let here = env::current_dir().ok();
    let path =
        program.as_deref().map(|program| here.as_deref().and_then(|here| program.strip_prefix(here).ok()).unwrap_or(program));
    path.map_or_else(|| "sitio".to_owned(), |path| path.display().to_string())
}

/// Commands that request the export from each pod of the legacy service.
fn ask(pods: &[DemoPod]) -> impl Iterator<Item = String> {
    pods.iter()
        .filter(|pod| pod.service == ShopService::Legacy)
        .map(|pod| format!("curl -sS -o /dev/null -D - http://{}/legacy/export", pod.entrance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::pods::bind_all;

    #[test]
    fn plain_words_have_no_colours_and_name_the_dashboard_and_both_legacy_pods() {
        let pods = bind_all().unwrap();
        let words = words(ColorMode::Plain, "127.0.0.1:8090".parse().unwrap(), 4711, &pods, "none");
        assert!(!words.contains('\x1b'));
        assert!(words.contains("Dashboard  http://127.0.0.1:8090\n"));
        assert_eq!(words.matches("/legacy/export\n").count(), 2, "{words}");
        assert!(words.contains("process 4711: ") && words.contains("kill -9 4711\n"), "{words}");
        assert!(words.contains(" top\n") && !words.contains("--url"), "{words}");
        let elsewhere = super::words(ColorMode::Plain, "127.0.0.1:9".parse().unwrap(), 4711, &pods, "none");
        assert!(elsewhere.contains(" stat --url http://127.0.0.1:9\n"), "{elsewhere}");
    }
}
