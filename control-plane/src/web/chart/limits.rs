//! Finds when an endpoint went over the limit of failures, and when it came back under it.

use mesh::golden::GoldenMetrics;

use crate::web::judge::{FAILING_RED, REQUESTS_MIN, ratio};

/// Columns in a row under the limit that it takes to be back under it: failures come in gusts.
const CALM_COLUMNS: usize = 3;

/// Columns that are taken together, at most, to have enough requests to tell.
const TOGETHER_MAX: usize = 12;

/// A limit was crossed in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// From this column on it is over the limit.
    Over(usize),
    /// From this column on it is not any more.
    Under(usize),
}

/// Every crossing, in the order of time.
pub fn crossings(golden: &[GoldenMetrics]) -> Vec<Crossing> {
    let mut crossings = Vec::new();
    let (mut is_over, mut calm_since) = (false, None);
    for column in 0..golden.len() {
        match (is_over, is_failing(golden, column)) {
            (false, Some(true)) => {
                is_over = true;
                crossings.push(Crossing::Over(first_failure(golden, column)));
            }
            (true, Some(true)) => calm_since = None,
            (true, _) => {
                let since = *calm_since.get_or_insert(column);
                if column + 1 - since >= CALM_COLUMNS {
                    (is_over, calm_since) = (false, None);
                    crossings.push(Crossing::Under(since));
                }
            }
            (false, _) => {}
        }
    }
    crossings
}

/// Whether an endpoint fails now, and if it does, since which column; column 0 may mean longer.
pub fn failing_since(golden: &[GoldenMetrics]) -> Option<usize> {
    match crossings(golden).last() {
        Some(Crossing::Over(column)) => Some(*column),
        _ => None,
    }
}

/// Whether a column is over the limit, judged with as many before it as it takes; `None` if that is too little to tell.
fn is_failing(golden: &[GoldenMetrics], column: usize) -> Option<bool> {
    let (mut failures, mut served) = (0, 0);
    for earlier in (0..=column).rev().take(TOGETHER_MAX) {
        failures += golden[earlier].failures();
        served += golden[earlier].served();
        if served >= REQUESTS_MIN {
            return Some(golden[column].failures() > 0 && ratio(failures, served) >= FAILING_RED);
        }
    }
    None
}

/// The first of the columns with failures that lead up to this one.
fn first_failure(golden: &[GoldenMetrics], column: usize) -> usize {
    (0..=column).rev().take_while(|earlier| golden[*earlier].failures() > 0).last().unwrap_or(column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::sample::golden;

    fn columns(failures_of_a_hundred: &[u64]) -> Vec<GoldenMetrics> {
        failures_of_a_hundred.iter().map(|failures| golden(100, *failures, 10)).collect()
    }

    #[test]
    fn a_limit_is_crossed_once_each_way() {
        let golden = columns(&[0, 0, 9, 9, 0, 9, 0, 0, 0, 0]);
        assert_eq!(crossings(&golden), [Crossing::Over(2), Crossing::Under(6)], "one calm column is no end");
        assert_eq!(failing_since(&golden), None);
        assert_eq!(failing_since(&golden[..6]), Some(2));
    }

    #[test]
    fn few_requests_are_judged_together() {
        let few: Vec<_> = [0, 0, 1, 1, 1, 1].iter().map(|failures| golden(4, *failures, 10)).collect();
        assert_eq!(crossings(&few), [Crossing::Over(2)]);
        assert_eq!(crossings(&few[..4]), [], "sixteen requests say little");
        assert_eq!(crossings(&columns(&[4, 4, 4])), [], "under the limit");
    }
}
