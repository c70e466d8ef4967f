//! Encodes and decodes what a rule has done on a pod.

use mesh::rule_totals::{CircuitState, Circuits, RuleTotals, SplitSides};
use mesh::workload::NAME_BYTES_MAX;

use crate::convert::fields::Fields;
use crate::convert::stats::{read, stat};
use crate::convert::{InvalidMessage, name};
use crate::wire;

/// Encodes the totals of a pod.
pub(super) fn rule_totals(totals: &RuleTotals) -> wire::RuleTotals {
    let sides = totals.sides.as_deref();
    wire::RuleTotals {
        rule: totals.rule.clone(),
        acted: totals.acted,
        shadowed: totals.shadowed,
        failed: totals.failed,
        circuit: circuit(totals.circuits).into(),
        own: sides.map(|sides| stat(0, &sides.own, None)),
        other: sides.map(|sides| stat(0, &sides.other, None)),
    }
}

/// Decodes and validates them.
pub(super) fn read_rule_totals(message: &[u8]) -> Result<RuleTotals, InvalidMessage> {
    let (mut totals, mut rule) = (RuleTotals::default(), String::new());
    let mut fields = Fields::new("rules", message);
    // The field numbers are those of `RuleTotals` in mesh.proto.
    while let Some((field, value)) = fields.read()? {
        match field {
            1 => {
                let bytes = value.bytes("rules.rule")?.to_vec();
                let why = |_| InvalidMessage::Senseless { field: "rules.rule", why: "it is not UTF-8".into() };
                rule = String::from_utf8(bytes).map_err(why)?;
            }
            2 => totals.acted = value.number("rules.acted")?,
            3 => totals.shadowed = value.number("rules.shadowed")?,
            4 => totals.failed = value.number("rules.failed")?,
            5 => totals.circuits = circuits(value.number("rules.circuit")?),
            6 => {
                read(value.bytes("rules.own")?, &mut sides(&mut totals).own)?;
            }
            7 => {
                read(value.bytes("rules.other")?, &mut sides(&mut totals).other)?;
            }
            // A newer sidecar may send further fields.
            _ => {}
        }
    }
    for side in totals.sides.iter().flat_map(|sides| [&sides.own, &sides.other]) {
        if let Some(why) = side.contradiction() {
            return Err(InvalidMessage::Senseless { field: "rules.own", why: why.into() });
        }
    }
    totals.rule = name("rules.rule", rule, NAME_BYTES_MAX)?;
    Ok(totals)
}

fn sides(totals: &mut RuleTotals) -> &mut SplitSides {
    totals.sides.get_or_insert_default()
}

fn circuit(circuits: Circuits) -> wire::Circuit {
    match circuits {
        Circuits { open: 1.., .. } => wire::Circuit::Open,
        Circuits { half_open: 1.., .. } => wire::Circuit::HalfOpen,
        Circuits { closed: 1.., .. } => wire::Circuit::Closed,
        Circuits { .. } => wire::Circuit::None,
    }
}

/// A state that a newer sidecar may know is none.
fn circuits(number: u64) -> Circuits {
    match i32::try_from(number).ok().and_then(|number| wire::Circuit::try_from(number).ok()) {
        Some(wire::Circuit::Closed) => CircuitState::Closed.into(),
        Some(wire::Circuit::HalfOpen) => CircuitState::HalfOpen.into(),
        Some(wire::Circuit::Open) => CircuitState::Open.into(),
        Some(wire::Circuit::None) | None => Circuits::default(),
    }
}

#[cfg(test)]
mod tests {
    use mesh::rule_totals::SIDES_MAX;
    use prost::Message as _;

    use super::*;
    use crate::convert::live::Decoder;

    fn round_trip(totals: &RuleTotals) -> RuleTotals {
        read_rule_totals(&rule_totals(totals).encode_to_vec()).unwrap()
    }

    #[test]
    fn a_circuit_and_both_sides_arrive() {
        let mut sides = Box::<SplitSides>::default();
        for (side, took_us, status) in [(&mut sides.own, 900, 200), (&mut sides.other, 1500, 500)] {
            side.hits += 1;
            side.add_status(status, 1);
            side.failed += u64::from(status >= 500);
            side.time(took_us, took_us);
        }
        for state in [CircuitState::Closed, CircuitState::HalfOpen, CircuitState::Open] {
            let totals = RuleTotals { rule: "r1".into(), acted: 3, circuits: state.into(), ..RuleTotals::default() };
            assert_eq!(round_trip(&totals), totals);
        }
        let totals = RuleTotals { rule: "r2".into(), shadowed: 4, failed: 5, sides: Some(sides), ..RuleTotals::default() };
        assert_eq!(round_trip(&totals), totals);
    }

    #[test]
    fn a_side_that_contradicts_itself_is_refused() {
        let own = wire::Stat { untimed: -4, ..wire::Stat::default() };
        let message = wire::RuleTotals { rule: "r1".into(), own: Some(own), ..wire::RuleTotals::default() };
        assert!(matches!(read_rule_totals(&message.encode_to_vec()), Err(InvalidMessage::Senseless { .. })));
    }

    #[test]
    fn a_report_carries_the_sides_of_a_few_splits_only() {
        let split = |number: usize| wire::RuleTotals {
            rule: format!("r{number}"),
            own: Some(wire::Stat::default()),
            ..Default::default()
        };
        let report =
            |splits: usize| wire::Live { rules: (0..splits).map(split).collect(), ..wire::Live::default() }.encode_to_vec();
        assert_eq!(Decoder::default().decode(&report(SIDES_MAX)).unwrap().rules.len(), SIDES_MAX);
        let refused = Decoder::default().decode(&report(SIDES_MAX + 1)).unwrap_err();
        assert_eq!(refused, InvalidMessage::TooMuch { field: "rules.own", limit: SIDES_MAX });
    }
}
