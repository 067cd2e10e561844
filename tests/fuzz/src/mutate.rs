//! Small changes of inputs, for runs without libFuzzer.

use fastrand::Rng;

/// Texts and bytes that often matter.
const TOKENS: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"-",
    b".",
    b"e",
    b"1e9",
    b"null",
    b"\\ud800",
    b"\n",
    b"\0",
    b"\xff",
    b"%",
    b"/",
    b";",
    b"=",
    b" ",
    b"\xef\xbb\xbf",
];

/// Returns one of `inputs` with one to four changes.
///
/// # Panics
/// If there are no inputs.
#[must_use]
pub fn mutated(inputs: &[Vec<u8>], dice: &mut Rng) -> Vec<u8> {
    let mut input = dice.choice(inputs).unwrap().clone();
    for _ in 0..dice.usize(1..5) {
        change(&mut input, inputs, dice);
    }
    input
}

fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], dice: &mut Rng) {
    let at = dice.usize(0..=input.len());
    let end = dice.usize(at..=input.len().min(at + 16));
    match dice.u8(0..7) {
        0 => input.insert(at, dice.u8(..)),
        1 => drop(input.drain(at..end)),
        2 => drop(input.splice(at..at, TOKENS[dice.usize(0..TOKENS.len())].iter().copied())),
        3 => drop(input.splice(at..end, TOKENS[dice.usize(0..TOKENS.len())].iter().copied())),
        4 => input.extend_from_within(at..end),
        5 => {
            let other = dice.choice(inputs).unwrap();
            input.splice(at.., other[dice.usize(0..=other.len())..].iter().copied());
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = byte.wrapping_add(dice.choice([1, 2, 16, 128, 255]).unwrap());
            }
        }
    }
}
