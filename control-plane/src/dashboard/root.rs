//! Relative links from a page to the dashboard's root, so that a proxy may serve it under any path.

use std::fmt;

/// The greatest depth of a page below the root. Real pages need two; each link of a page repeats the levels.
const LEVELS_MAX: usize = 16;

/// The relative path from a page to the dashboard's root, as a prefix: `../` and `pods` make `../pods`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Root {
    levels: usize,
}

impl Root {
    /// From a page at the root, such as `/pods`.
    pub const BESIDE: Self = Self { levels: 0 };

    /// From `/endpoints/{id}`.
    pub const ABOVE: Self = Self { levels: 1 };

    /// From `/endpoints/{id}/pin`, and from the target of every form.
    pub const TWO_ABOVE: Self = Self { levels: 2 };

    /// From the path of a request; `None` if it is deeper than any page.
    pub fn from_path(path: &str) -> Option<Self> {
        let levels = path.bytes().skip(1).filter(|byte| *byte == b'/').count();
        (levels <= LEVELS_MAX).then_some(Self { levels })
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.levels {
            0 => f.write_str("./"),
            levels => (0..levels).try_for_each(|_| f.write_str("../")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_up_from_wherever_a_page_is() {
        for (path, root) in
            [("/", "./"), ("/pods", "./"), ("/endpoints/e1", "../"), ("/endpoints/e1/pin", "../../"), ("//x", "../")]
        {
            assert_eq!(Root::from_path(path).unwrap().to_string(), root, "{path}");
        }
        assert_eq!(Root::from_path("/endpoints/e1"), Some(Root::ABOVE));
        assert_eq!(Root::from_path(&"/".repeat(1000)), None);
    }
}
