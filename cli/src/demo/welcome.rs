//! What the demo says at its start: where to look, and what to try.

use std::net::SocketAddr;

use crate::demo::pods::Pod;
use crate::demo::shop::Service;
use crate::paint::Paint;

/// The words, ready to print.
pub(crate) fn words(paint: Paint, dashboard: SocketAddr, pods: &[Pod], traffic: &str) -> String {
    let title = paint.title("Sitio demo: a small shop, behind a mesh");
    let link = paint.link(format!("http://{dashboard}"));
    let turn_off = [
        format!("curl -X POST http://{dashboard}/api/v1/rules -H 'content-type: application/json' \\"),
        r#"  -d '{"service": "legacy", "method": "GET", "route": "/legacy/export","#.to_owned(),
        r#"       "action": {"disable": {"status": 503}}, "ttl": "15m", "reason": "trying the switch"}'"#.to_owned(),
    ];
    let turn_off = turn_off.map(|line| format!("       {}", paint.typed(line))).join("\n");
    let ask = ask(pods).map(|line| format!("       {}", paint.typed(line))).collect::<Vec<_>>().join("\n");
    let numbers = paint.typed(format!("curl -s http://{dashboard}/api/v1/endpoints"));
    let pods = pods.len();
    format!(
        "
  {title}

  Dashboard  {link}
  Pods       {pods}, two each of storefront, payments, search and legacy
  Traffic    {traffic}

  Try this:
    1. Turn GET /legacy/export off on the dashboard, or by hand:
{turn_off}
    2. Ask both pods for it, through their sidecars: 200 while it is on, 503 once it is off.
{ask}
    3. See the numbers as JSON.
       {numbers}

  Ctrl-C ends everything.
"
    )
}

/// How to ask each pod of legacy for its export.
fn ask(pods: &[Pod]) -> impl Iterator<Item = String> {
    pods.iter()
        .filter(|pod| pod.service == Service::Legacy)
        .map(|pod| format!("curl -sS -o /dev/null -D - http://{}/legacy/export", pod.entrance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::pods::bind_all;

    #[test]
    fn plain_words_have_no_colours_and_name_the_dashboard_and_both_legacy_pods() {
        let pods = bind_all().unwrap();
        let words = words(Paint::Plain, "127.0.0.1:8090".parse().unwrap(), &pods, "none");
        assert!(!words.contains('\x1b'));
        assert!(words.contains("Dashboard  http://127.0.0.1:8090\n"));
        assert_eq!(words.matches("/legacy/export\n").count(), 2, "{words}");
    }
}
