//! A quantity of Kubernetes, such as `50m` or `64Mi`, as a number that can be compared.

/// Thousandths of the unit: of a core, or of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity(u128);

impl Quantity {
    /// Parses the notation of whole numbers; none of our manifests has fractions or exponents.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits);
        let factor: u128 = match suffix {
            "m" => 1,
            "" => 1000,
            "k" => 1000 * 1000,
            "M" => 1000 * 1000 * 1000,
            "G" => 1000 * 1000 * 1000 * 1000,
            "Ki" => 1000 << 10,
            "Mi" => 1000 << 20,
            "Gi" => 1000 << 30,
            _ => return None,
        };
        Some(Self(number.parse::<u128>().ok()? * factor))
    }
}

#[test]
fn quantities_of_different_units_are_compared() {
    let quantity = |text| Quantity::parse(text).unwrap();
    assert!(quantity("500m") < quantity("1") && quantity("64Mi") < quantity("1Gi") && quantity("64M") < quantity("64Mi"));
    assert_eq!((Quantity::parse("1 Gi"), Quantity::parse(""), Quantity::parse("Mi")), (None, None, None));
}
