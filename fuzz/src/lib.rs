//! The checks of the fuzz targets; the sidecar's tests include the same files and replay the corpora through them.

mod decoders;
mod http2;
mod proxy;
#[path = "../../sidecar/tests/strictness/reader.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod reader;
#[path = "../../sidecar/tests/strictness/service.rs"]
mod service;
#[path = "../../sidecar/tests/strictness/test_sidecar.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod test_sidecar;

/// Exports each check under the name of its target.
macro_rules! targets {
    ($($name:ident => $check:path),*) => {
        $(
            #[doc = concat!("Checks any bytes by `", stringify!($check), "`.")]
            pub fn $name(input: &[u8]) {
                $check(input);
            }
        )*
    };
}

targets! {
    request_head => decoders::request_head,
    response_head => decoders::response_head,
    chunked_body => decoders::chunked_body,
    frames => decoders::frames,
    http2 => http2::http2,
    http2_service => http2::http2_service,
    connection => proxy::connection,
    answers => proxy::answer
}
