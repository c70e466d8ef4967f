//! Benchmark: a proxy's work for one request and its response, except for the sockets.

#[path = "../tests/forward.rs"]
mod forward;

#[divan::bench(sample_count = 200, sample_size = 1000, args = [100, 10_000])]
fn exchange(bencher: divan::Bencher<'_, '_>, body_bytes: usize) {
    let mut proxy = forward::Proxy::new(body_bytes);
    bencher.bench_local(|| proxy.exchange());
}

fn main() {
    divan::main();
}
