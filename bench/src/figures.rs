//! Median and quartiles of a few noisy numbers.

/// Median and quartiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Median {
    /// The median.
    pub median: f64,
    /// The first quartile.
    pub low: f64,
    /// The third quartile.
    pub high: f64,
}

impl Median {
    /// Median and quartiles of these numbers, in any order; `None` if there are none.
    pub fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (numbers.len().checked_sub(1)?) as f64 * share;
            let (below, above) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
            Some(below + (above - below) * place.fract())
        };
        Some(Self { median: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_between_its_neighbours() {
        assert_eq!(Median::of(std::iter::empty()), None);
        assert_eq!(Median::of([7.0].into_iter()), Some(Median { median: 7.0, low: 7.0, high: 7.0 }));
        let five = Median::of([5.0, 1.0, 4.0, 2.0, 3.0].into_iter());
        assert_eq!(five, Some(Median { median: 3.0, low: 2.0, high: 4.0 }));
        assert_eq!(Median::of([1.0, 2.0].into_iter()).map(|figure| figure.median), Some(1.5));
    }
}
