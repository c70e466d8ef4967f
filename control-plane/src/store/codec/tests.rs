//! Tests that encoded metrics decode unchanged, and that corrupt bytes are always detected.

use proptest::prelude::*;

use crate::store::codec::*;

fn golden() -> impl Strategy<Value = GoldenMetrics> {
    let exchange = (100_u16..600, 0_u64..100_000_000, 0_u64..50_000, prop::bool::ANY);
    (prop::collection::vec(exchange, 0..40), 0_u64..9).prop_map(|(exchanges, by_rule)| {
        let mut golden = GoldenMetrics::default();
        golden.by_rule = by_rule;
        for (status, took_us, bytes, fails) in exchanges {
            golden.hits += 1;
            golden.failed += u64::from(fails);
            golden.time(took_us, took_us / 3);
            golden.carry(bytes, bytes * 3);
            golden.add_status(status, 1);
        }
        golden
    })
}

proptest! {
    #[test]
    fn what_is_written_comes_back(golden in golden(), more in golden(), first_ms in 0_u64..9, last_ms in 1_u64..1 << 45) {
        let mut bytes = Vec::new();
        write(&golden, &mut bytes);
        let mut sum = more.clone();
        prop_assert_eq!(add(&bytes, &mut sum), Ok(&[][..]));
        let mut expected = more;
        expected.merge(&golden);
        prop_assert_eq!(sum, expected);

        let seen = Some(Seen { first_ms, last_ms });
        prop_assert_eq!(read_total(&write_total(seen, &golden)), Ok((seen, golden)));
    }

    #[test]
    fn a_truncated_value_is_reported_and_nothing_panics(golden in golden(), cut in 0.0_f64..1.0, junk in prop::collection::vec(any::<u8>(), 0..60)) {
        let bytes = write_total(Some(Seen::at(7)), &golden);
        let cut = (bytes.len() as f64 * cut) as usize;
        prop_assert!(read_total(&bytes[..cut]).is_err());
        let _ = read_total(&junk);
        prop_assert!(read_total(&[bytes, vec![0]].concat()).is_err());
    }
}

#[test]
fn an_endpoint_of_a_quiet_minute_takes_few_bytes() {
    let mut golden = GoldenMetrics::default();
    for took_us in [1200, 1500, 1800, 2500, 9000] {
        golden.hits += 1;
        golden.time(took_us, took_us / 2);
        golden.carry(0, 512);
        golden.add_status(200, 1);
    }
    let mut bytes = Vec::new();
    write(&golden, &mut bytes);
    assert!(bytes.len() < 50, "{}", bytes.len());
}

#[test]
fn what_a_later_program_wrote_is_not_guessed_at() {
    assert_eq!(add(&[9, 0, 0, 0, 0], &mut GoldenMetrics::default()), Err(Corrupt::Version(9)));
}
