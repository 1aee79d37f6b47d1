//! SHA-256, and the comparison by which a guest notices that a model is not the one it was written for.
//!
//! The modules that `wasinn-gen model` writes use it. A hash tells a mistake (another version of the model, a
//! damaged file); it keeps nobody out who can replace the guest.

use crate::error::Error;

#[rustfmt::skip] // a table
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Computes the SHA-256 (FIPS 180-4) of bytes, in the order in which it is written in hex.
///
/// ```
/// assert_eq!(wasinn::sha256::digest(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
/// ```
#[must_use]
pub fn digest(data: &[u8]) -> [u8; 32] {
    let mut state = START;
    let blocks = data.chunks_exact(64);
    let rest = blocks.remainder();
    blocks.for_each(|each| block(&mut state, each));
    let mut last = [0; 128];
    let (content, _) = last.split_at_mut(rest.len());
    content.copy_from_slice(rest);
    last[rest.len()] = 0x80;
    let size = if rest.len() < 56 { 64 } else { 128 };
    last[size - 8..size].copy_from_slice(&(data.len() as u64).wrapping_mul(8).to_be_bytes());
    last[..size].chunks_exact(64).for_each(|each| block(&mut state, each));
    let mut found = [0; 32];
    for (bytes, word) in found.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    found
}

/// Compares the parts of a model with the hashes they are expected to have, each 64 lower-case hexadecimal
/// digits.
///
/// # Errors
///
/// [`Error::OtherModel`] with the number of the first part that has another, or that is missing or too many.
pub fn check(parts: &[&[u8]], expected: &[&str]) -> Result<(), Error> {
    let same = parts.iter().zip(expected).take_while(|(part, hex)| has(part, hex)).count();
    if same < parts.len().max(expected.len()) {
        return Err(Error::OtherModel { part: same });
    }
    Ok(())
}

fn has(data: &[u8], hex: &str) -> bool {
    let halves = digest(data).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| b"0123456789abcdef"[usize::from(half)]).eq(hex.bytes())
}

fn block(state: &mut [u32; 8], bytes: &[u8]) {
    let mut words = [0_u32; 64];
    for (word, four) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = four.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    for i in 16..64 {
        let (near, far) = (words[i - 2], words[i - 15]);
        let far = far.rotate_right(7) ^ far.rotate_right(18) ^ far >> 3;
        let near = near.rotate_right(17) ^ near.rotate_right(19) ^ near >> 10;
        words[i] = words[i - 16].wrapping_add(far).wrapping_add(words[i - 7]).wrapping_add(near);
    }
    let mut v = *state;
    for (constant, word) in K.into_iter().zip(words) {
        let first = v[7]
            .wrapping_add(v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25))
            .wrapping_add(v[6] ^ (v[4] & (v[5] ^ v[6])))
            .wrapping_add(constant)
            .wrapping_add(word);
        let second = (v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22))
            .wrapping_add((v[0] & v[1]) | (v[2] & (v[0] | v[1])));
        v.copy_within(0..7, 1);
        v[4] = v[4].wrapping_add(first);
        v[0] = first.wrapping_add(second);
    }
    for (sum, word) in state.iter_mut().zip(v) {
        *sum = sum.wrapping_add(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    const B: &str = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d";

    #[test]
    fn the_parts_are_held_to_their_hashes_in_order_and_number() {
        assert!(check(&[b"a", b"b"], &[A, B]).is_ok());
        assert!(matches!(check(&[b"a", b"c"], &[A, B]), Err(Error::OtherModel { part: 1 })));
        assert!(matches!(check(&[b"b", b"a"], &[A, B]), Err(Error::OtherModel { part: 0 })));
        assert!(matches!(check(&[b"a"], &[A, B]), Err(Error::OtherModel { part: 1 })));
        assert!(matches!(check(&[b"a", b"b"], &[A]), Err(Error::OtherModel { part: 1 })));
    }

    #[test]
    fn only_the_whole_hash_will_do() {
        for hex in ["", &A[..63], "CA978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"] {
            assert!(check(&[b"a"], &[hex]).is_err());
        }
    }
}
