//! One sign-in at the provider, from the first click to the return: bound to the browser by a cookie.
//!
//! The control plane keeps nothing meanwhile, so that people who only begin cannot fill its memory, and so that any
//! replica can complete what another has begun.

use std::time::Duration;

use axum::http::HeaderMap;

use crate::access::accounts::fingerprint;
use crate::access::return_address::{decoded, encoded, own};
use crate::access::sessions::cookie::Cookies;
use crate::dashboard;

/// How long the sign-in at the provider may take.
pub(super) const FLOW: Duration = Duration::from_secs(10 * 60);

/// The cookie.
const FLOW_COOKIE: &str = "sitio_openid";

/// Bytes of the address to return to. A longer one is left out: cookies have room for 4 KiB.
const NEXT_BYTES_MAX: usize = 1024;

/// What belongs together in one sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignInFlow {
    /// Compared with what comes back, so that no other page can complete a sign-in (RFC 6749, section 10.12).
    pub(super) state: String,
    /// Compared with the id token, so that no token of another sign-in is accepted.
    pub(super) nonce: String,
    /// Proves to the provider that the code is used by who asked for it (RFC 7636).
    pub(super) verifier: String,
    /// The page to return to.
    pub(super) next: String,
    began_s: u64,
}

impl SignInFlow {
    /// Begins one.
    pub(super) fn begin(next: &str, now_s: u64) -> Self {
        let random = || rand::random::<[u8; 32]>().map(|byte| format!("{byte:02x}")).concat();
        // The browser comes back from another site, which may lead to pages only.
        let is_page = dashboard::is_page(next.split('?').next().unwrap_or_default());
        let next = if next.len() <= NEXT_BYTES_MAX && is_page { own(next) } else { "/".to_owned() };
        Self { state: random(), nonce: random(), verifier: random(), next, began_s: now_s }
    }

    /// The `Set-Cookie` that binds it to the browser.
    pub(super) fn set_cookie(&self, cookies: Cookies<'_>) -> String {
        let Self { state, nonce, verifier, next, began_s } = self;
        cookies.set(FLOW_COOKIE, &format!("{began_s}:{state}:{nonce}:{verifier}:{}", encoded(next)), FLOW)
    }

    /// The `Set-Cookie` that ends it, whatever came of it.
    pub(super) fn clear_cookie(cookies: Cookies<'_>) -> String {
        cookies.set(FLOW_COOKIE, "", Duration::ZERO)
    }

    /// The sign-in that this browser has begun and that `state` belongs to.
    pub(super) fn from_return(state: &str, headers: &HeaderMap, cookies: Cookies<'_>, now_s: u64) -> Option<Self> {
        let mut parts = cookies.value(FLOW_COOKIE, headers)?.splitn(5, ':');
        let mut part = || parts.next().map(str::to_owned);
        let began_s: u64 = part()?.parse().ok()?;
        let (own_state, nonce, verifier, next) = (part()?, part()?, part()?, part()?);
        let is_current = began_s <= now_s && now_s - began_s < FLOW.as_secs();
        // Hashes are compared, so that the time says nothing about the state.
        if !is_current || fingerprint(&own_state) != fingerprint(state) || state.len() < 64 {
            return None;
        }
        Some(Self { state: own_state, nonce, verifier, next: own(&decoded(&next)), began_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(set_cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", set_cookie.split(';').next().unwrap().parse().unwrap());
        headers
    }

    #[test]
    fn only_the_browser_that_began_completes_with_its_own_state_in_time() {
        let cookies = Cookies(None);
        let flow = SignInFlow::begin("/pods?find=a b:%41&x=ü", 1000);
        let own = headers(&flow.set_cookie(cookies));
        assert_eq!(SignInFlow::from_return(&flow.state, &own, cookies, 1000), Some(flow.clone()));
        assert!(SignInFlow::from_return(&flow.state, &own, cookies, 1000 + FLOW.as_secs()).is_none(), "too late");
        assert!(SignInFlow::from_return(&flow.state, &own, cookies, 999).is_none());
        let other = SignInFlow::begin("/", 1000);
        assert!(SignInFlow::from_return(&other.state, &own, cookies, 1000).is_none(), "a forged state");
        assert!(SignInFlow::from_return(&flow.state, &HeaderMap::new(), cookies, 1000).is_none(), "another browser");
        for cookie in
            ["sitio_openid=", "sitio_openid=1000:::: ", "sitio_openid=1000::::", "sitio_openid=x:a:b:c:d", "sitio_openid=1:2"]
        {
            assert!(SignInFlow::from_return("", &headers(cookie), cookies, 1000).is_none(), "{cookie}");
        }
        assert_eq!(SignInFlow::begin("//evil.example", 0).next, "/");
        assert_eq!(SignInFlow::begin(&"/a".repeat(1000), 0).next, "/");
    }
}
