//! Benchmark: a proxy's work for one request and its response, except for the sockets.

#[path = "../tests/forward.rs"]
mod forward;

#[divan::bench(sample_count = 200, sample_size = 1000)]
fn exchange(bencher: divan::Bencher<'_, '_>) {
    let mut proxy = forward::Proxy::new();
    bencher.bench_local(|| proxy.exchange());
}

fn main() {
    divan::main();
}
