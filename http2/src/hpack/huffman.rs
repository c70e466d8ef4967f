//! Decodes Huffman-coded strings, four bits at a time (RFC 7541, section 5.2 and appendix B).

use crate::hpack::HpackError;

/// The length in bits of each symbol's code. The code is canonical: among codes of one length the symbols
/// ascend, and a longer code continues where the shorter ones end. The lengths thus define the codes.
#[rustfmt::skip]
pub(crate) const CODE_BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The symbol that must not occur in a string.
const END_OF_STRING: u16 = 256;

/// The longest code.
const CODE_BITS_MAX: u8 = 30;

/// Bits of padding: a whole byte of padding is an error.
const PADDING_BITS_MAX: usize = 7;

/// A child that is a symbol, in contrast to an inner node of the code tree.
const LEAF: u16 = 0x8000;

/// The children of each inner node. 257 leaves have 256 inner nodes; node 0 is the root.
type Tree = [[u16; 2]; 256];

/// What four bits of input do.
#[derive(Debug, Clone, Copy)]
struct Step {
    next: u8,
    symbol: u8,
    effect: Effect,
}

#[derive(Debug, Clone, Copy)]
enum Effect {
    Continue,
    Emit,
    Fail,
}

/// The state machine: its states are the inner nodes of the tree.
static STEPS: [[Step; 16]; 256] = steps(&tree());

/// The states in which a string may end: up to seven one bits after a whole symbol.
static IS_FINAL: [bool; 256] = finals(&tree());

/// Appends the decoded string to `output`.
pub(crate) fn decode(input: &[u8], output: &mut Vec<u8>) -> Result<(), HpackError> {
    let mut state = 0;
    for byte in input {
        for nibble in [byte >> 4, byte & 15] {
            let step = STEPS[usize::from(state)][usize::from(nibble)];
            match step.effect {
                Effect::Continue => {}
                Effect::Emit => output.push(step.symbol),
                Effect::Fail => return Err(HpackError::Huffman),
            }
            state = step.next;
        }
    }
    if IS_FINAL[usize::from(state)] { Ok(()) } else { Err(HpackError::Huffman) }
}

const fn tree() -> Tree {
    let mut tree = [[0; 2]; 256];
    let mut nodes = 1;
    let mut code: u32 = 0;
    let mut bits = 1;
    while bits <= CODE_BITS_MAX {
        let mut symbol = 0;
        while symbol <= END_OF_STRING {
            if CODE_BITS[symbol as usize] == bits {
                nodes = insert(&mut tree, nodes, code, bits, symbol);
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        bits += 1;
    }
    tree
}

/// Adds the path of one symbol, and returns the number of nodes.
const fn insert(tree: &mut Tree, mut nodes: u16, code: u32, bits: u8, symbol: u16) -> u16 {
    let mut node = 0;
    let mut left = bits - 1;
    while left > 0 {
        let branch = (code >> left & 1) as usize;
        if tree[node][branch] == 0 {
            tree[node][branch] = nodes;
            nodes += 1;
        }
        node = tree[node][branch] as usize;
        left -= 1;
    }
    tree[node][(code & 1) as usize] = LEAF | symbol;
    nodes
}

const fn steps(tree: &Tree) -> [[Step; 16]; 256] {
    let mut steps = [[Step { next: 0, symbol: 0, effect: Effect::Continue }; 16]; 256];
    let mut state = 0;
    while state < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            steps[state][nibble] = step(tree, state, nibble);
            nibble += 1;
        }
        state += 1;
    }
    steps
}

/// Walks four bits down the tree. The shortest code has five bits, so at most one symbol ends within them.
const fn step(tree: &Tree, state: usize, nibble: usize) -> Step {
    let mut step = Step { next: 0, symbol: 0, effect: Effect::Continue };
    let mut node = state;
    let mut left = 4;
    while left > 0 {
        left -= 1;
        let child = tree[node][nibble >> left & 1];
        if child == LEAF | END_OF_STRING {
            return Step { next: 0, symbol: 0, effect: Effect::Fail };
        }
        if child & LEAF != 0 {
            step.symbol = child as u8;
            step.effect = Effect::Emit;
            node = 0;
        } else {
            node = child as usize;
        }
    }
    step.next = node as u8;
    step
}

const fn finals(tree: &Tree) -> [bool; 256] {
    let mut finals = [false; 256];
    let mut node = 0;
    let mut ones = 0;
    while ones <= PADDING_BITS_MAX {
        finals[node] = true;
        node = tree[node][1] as usize;
        ones += 1;
    }
    finals
}
