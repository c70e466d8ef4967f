//! The steady state of a connection allocates nothing.

mod forward;

#[test]
fn a_forwarded_exchange_allocates_nothing() {
    let mut proxy = forward::Proxy::new();
    let counted = allocation_counter::measure(|| (0..1000).for_each(|_| proxy.exchange()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
