//! Integers with a prefix of 4 to 7 bits (RFC 7541, section 5.1).

use crate::hpack::HpackError;

/// Continuation bytes of an integer. Four carry 28 bits, and a block never needs more.
const CONTINUATION_BYTES_MAX: u32 = 4;

/// Reads the integer that begins at `at` with a prefix of `prefix_bits`, and moves `at` past it.
pub(crate) fn decode(input: &[u8], at: &mut usize, prefix_bits: u32) -> Result<usize, HpackError> {
    let mask = (1 << prefix_bits) - 1;
    let mut value = usize::from(*input.get(*at).ok_or(HpackError::Truncated)? & mask);
    *at += 1;
    if value < usize::from(mask) {
        return Ok(value);
    }
    for position in 0..CONTINUATION_BYTES_MAX {
        let byte = *input.get(*at).ok_or(HpackError::Truncated)?;
        *at += 1;
        value += usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HpackError::IntegerOverflow)
}

/// Appends `value`. The bits of the first byte above the prefix are `pattern`.
pub(crate) fn encode(output: &mut Vec<u8>, value: usize, prefix_bits: u32, pattern: u8) {
    let mask = (1 << prefix_bits) - 1;
    if value < mask {
        output.push(pattern | value as u8);
        return;
    }
    output.push(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        output.push(0x80 | rest as u8);
        rest >>= 7;
    }
    output.push(rest as u8);
}
