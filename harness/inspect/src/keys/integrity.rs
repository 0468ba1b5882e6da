//! Integrity check values: whether a packet is what its sender sent.

use aes::{
    Aes128,
    cipher::{Array, BlockCipherEncrypt, KeyInit},
};
use hmac::{Hmac, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::algorithm::{Authentication, Hash};

/// An integrity algorithm with its key.
pub(super) struct Integrity {
    /// Absent where there is no value, or where nobody can check it.
    code: Option<Box<dyn Code>>,
    length: usize,
}

impl Integrity {
    /// An algorithm with a key whose length was checked by [`Authentication::check_key`].
    pub(super) fn new(authentication: Authentication, key: &[u8]) -> Option<Integrity> {
        let code: Option<Box<dyn Code>> = match authentication.hash {
            None => None,
            Some(Hash::Md5) => Some(Box::new(Hashed(Hmac::<Md5>::new_from_slice(key).ok()?))),
            Some(Hash::Sha1) => Some(Box::new(Hashed(Hmac::<Sha1>::new_from_slice(key).ok()?))),
            Some(Hash::Sha256) => Some(Box::new(Hashed(Hmac::<Sha256>::new_from_slice(key).ok()?))),
            Some(Hash::Sha384) => Some(Box::new(Hashed(Hmac::<Sha384>::new_from_slice(key).ok()?))),
            Some(Hash::Sha512) => Some(Box::new(Hashed(Hmac::<Sha512>::new_from_slice(key).ok()?))),
            Some(Hash::AesXcbc) => Some(Box::new(Xcbc::new(key)?)),
        };
        Some(Integrity { code, length: authentication.icv })
    }

    /// How many octets the value has.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether `icv` is the value of these octets one after the other, if that can be said.
    pub(super) fn check(&self, octets: [&[u8]; 2], icv: &[u8]) -> Option<bool> {
        self.code.as_ref().map(|code| code.check(octets, icv))
    }
}

/// A message authentication code.
trait Code: Send + Sync {
    fn check(&self, octets: [&[u8]; 2], icv: &[u8]) -> bool;
}

struct Hashed<M>(M);

impl<M: Mac + Clone + Send + Sync> Code for Hashed<M> {
    fn check(&self, octets: [&[u8]; 2], icv: &[u8]) -> bool {
        let mut mac = self.0.clone();
        octets.iter().for_each(|part| mac.update(part));
        mac.verify_truncated_left(icv).is_ok()
    }
}

/// AES-XCBC-MAC (RFC 3566).
struct Xcbc {
    cipher: Aes128,
    whole: Array<u8, aes::cipher::consts::U16>,
    padded: Array<u8, aes::cipher::consts::U16>,
}

impl Xcbc {
    fn new(key: &[u8]) -> Option<Xcbc> {
        let cipher = Aes128::new_from_slice(key).ok()?;
        let derived = |octet: u8| {
            let mut block = Array::from([octet; 16]);
            cipher.encrypt_block(&mut block);
            block
        };
        Some(Xcbc { cipher: Aes128::new(&derived(1)), whole: derived(2), padded: derived(3) })
    }

    fn of<'a>(&self, octets: impl Iterator<Item = &'a u8>) -> [u8; 16] {
        let (mut block, mut filled) = (Array::from([0; 16]), 0);
        for octet in octets {
            // The last block is not encrypted like the others, so each waits for its successor.
            if filled == 16 {
                self.cipher.encrypt_block(&mut block);
                filled = 0;
            }
            block[filled] ^= octet;
            filled += 1;
        }
        let last = if filled == 16 {
            &self.whole
        } else {
            block[filled] ^= 0x80;
            &self.padded
        };
        block.iter_mut().zip(last).for_each(|(octet, of_key)| *octet ^= of_key);
        self.cipher.encrypt_block(&mut block);
        block.into()
    }
}

impl Code for Xcbc {
    fn check(&self, octets: [&[u8]; 2], icv: &[u8]) -> bool {
        self.of(octets.into_iter().flatten())[..12] == *icv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3566 section 4.6, test cases 1, 2, 4, 5 and 6.
    #[test]
    fn xcbc_gives_the_values_of_its_rfc() {
        let key: Vec<u8> = (0..16).collect();
        let xcbc = Xcbc::new(&key).unwrap();
        for (length, expected) in [
            (0, 0x75f0_251d_528a_c01c_4573_dfd5_84d7_9f29_u128),
            (3, 0x5b37_6580_ae2f_19af_e721_9cee_f172_756f),
            (16, 0xd2a2_46fa_349b_68a7_9998_a439_4ff7_a263),
            (20, 0x47f5_1b45_6496_6215_b898_5c63_055e_d308),
            (32, 0xf54f_0ec8_d2b9_f3d3_6807_734b_d528_3fd4),
        ] {
            let message: Vec<u8> = (0..length).collect();
            assert_eq!(u128::from_be_bytes(xcbc.of(message.iter())), expected, "{length}");
        }
    }
}
