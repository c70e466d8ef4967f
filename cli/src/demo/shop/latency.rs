//! Simulated response times of a sample service: a median, and a spread with the long tail of real services.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::{Rng, RngExt};

/// The longest response time in medians. It is bounded because the demo must end within seconds of the signal to stop.
const MEDIANS_MAX: f64 = 4.0;

/// A log-normal distribution of durations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latency {
    median: Duration,
    /// The standard deviation of the logarithm. At 0.4, one response in twenty takes twice the median.
    spread: f64,
}

impl Latency {
    /// A distribution with that median in milliseconds.
    pub(super) const fn around_ms(median_ms: u64, spread: f64) -> Self {
        Self { median: Duration::from_millis(median_ms), spread }
    }

    /// Sleeps for one random response time.
    pub(super) async fn pass(self) {
        let latency = self.draw(&mut rand::rng());
        tokio::time::sleep(latency).await;
    }

    fn draw(self, rng: &mut impl Rng) -> Duration {
        self.median.mul_f64((self.spread * normal(rng)).exp().min(MEDIANS_MAX))
    }
}

/// A number from the standard normal distribution (Box and Muller, 1958).
fn normal(rng: &mut impl Rng) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    // 1 - radius is in (0, 1], so its logarithm is finite.
    (-2.0 * (1.0 - radius).ln()).sqrt() * (TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn half_of_the_answers_are_faster_than_the_median_and_none_takes_forever() {
        let latency = Latency::around_ms(100, 0.6);
        let mut rng = StdRng::seed_from_u64(1);

        let mut drawn: Vec<Duration> = (0..2001).map(|_| latency.draw(&mut rng)).collect();
        drawn.sort();

        let median_ms = drawn[1000].as_millis();
        assert!((92..=108).contains(&median_ms), "{median_ms} ms");
        assert!(drawn[2000] <= Duration::from_millis(400));
        assert!(drawn[1900] >= Duration::from_millis(200), "the tail is long: {:?}", drawn[1900]);
    }
}
