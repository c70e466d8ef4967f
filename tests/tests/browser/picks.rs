//! Browser test of the pod selection in the dialog that turns an endpoint off, with hundreds of pods.

use anyhow::ensure;
use scenario::accessibility::assert_no_barriers;
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::small_mesh::SmallMesh;

/// Replaces the response that the dialog shows by one with 500 pods, which are too many to run on a test machine.
const MANY_PODS: &str = "
    const real = window.fetch;
    window.fetch = async (address, ...rest) => {
        const answer = await real(address, ...rest);
        if (!String(address).includes('/impact')) return answer;
        const impact = await answer.json();
        impact.names = Array.from({length: 500}, (_, at) => `orders-${String(at).padStart(3, '0')}`);
        return new Response(JSON.stringify(impact), {headers: {'content-type': 'application/json'}});
    };";

#[test]
fn one_pod_of_five_hundred_is_found_by_its_name() {
    let mesh = SmallMesh::start("orders", 1);
    mesh.pods[0].get("/export");
    mesh.api().expect_hits("orders", 1);
    let browser = Browser::start();
    browser.before_each_page(MANY_PODS);
    browser.open(&format!("http://127.0.0.1:{}/", mesh.control_plane.http_port));
    eventually(SOON, || {
        ensure!(browser.script("return document.body.dataset.pulse")? == "live", "it is not live yet");
        Ok(())
    });
    eventually(SOON, || browser.click("button[role=switch][aria-label^='GET /export']"));
    eventually(SOON, || browser.click("#off label:has([value=chosen])"));

    // The list keeps its height, and a search reduces it to one pod.
    let high = browser.script("return document.getElementById('picks').getBoundingClientRect().height").unwrap();
    assert!(high.as_f64() <= Some(240.0), "the list is {high} px high");
    eventually(SOON, || browser.type_into("#pick-find", "ORDERS-42"));
    let shown = "return [...document.querySelectorAll('#picks li')].filter(item => item.checkVisibility()).length";
    eventually(SOON, || {
        ensure!(browser.script(shown)? == 10, "{} pods are shown", browser.script(shown)?);
        Ok(())
    });
    browser.type_into("#pick-find", "7").unwrap();
    browser.click("#picks li:not([hidden]) label").unwrap();
    assert_eq!(browser.text("#picked").unwrap(), "1 of 500 chosen");
    assert_no_barriers(&browser, "the dialog with many pods");

    // Enter only searches and sends nothing; a selected pod stays selected during another search.
    browser.type_into("#pick-find", "\u{e007}").unwrap();
    browser.script("document.getElementById('pick-find').value = ''; return 1").unwrap();
    assert!(browser.text("#go").unwrap().starts_with("Turn off on 1 pod"));
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}
