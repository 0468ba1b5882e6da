//! Ciphers, with the key inside: from ciphertext to plaintext.
//!
//! Key schedules are computed once, when a table is read, because each opens many packets. Whether a packet is authentic
//! never hides its plaintext: with a wrong tag, what the cipher makes of it is shown and said to be inauthentic.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, aead::AeadInOut};
use cbc::cipher::{
    Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockSizeUser, InnerIvInit, KeyInit,
    KeyIvInit, StreamCipher, StreamCipherCoreWrapper, StreamCipherSeek, typenum,
};
use ccm::Ccm;
use chacha20::ChaCha20;
use chacha20poly1305::ChaCha20Poly1305;
use ctr::{CtrCore, flavors};
use des::{Des, TdesEde3};
use typenum::{U8, U11, U12, U16};
use zeroize::Zeroizing;

use super::algorithm::Encryption;

/// A cipher with its key.
pub(super) struct Cipher {
    mode: Mode,
    /// What of the key goes into each nonce instead of the cipher (RFC 3686, RFC 4106, RFC 4309, RFC 7634).
    salt: Zeroizing<Vec<u8>>,
    /// How many octets of initialisation vector each packet carries.
    iv: usize,
    /// The vector is not carried, but is the sequence number (RFC 8750).
    implicit_iv: bool,
}

enum Mode {
    Null,
    Blocks { cipher: Box<dyn Blocks>, size: usize },
    Counter(Box<dyn Counter>),
    Sealed { cipher: Box<dyn Sealed>, tag: usize },
}

impl Cipher {
    /// A cipher with a key whose length was checked by [`Encryption::check_key`]; `None` if it does not fit after all.
    pub(super) fn new(encryption: Encryption, key: &[u8]) -> Option<Cipher> {
        let (key, salt) = key.split_at_checked(key.len().checked_sub(encryption.salt())?)?;
        let mode = match encryption {
            Encryption::Null => Mode::Null,
            Encryption::DesCbc => blocks::<Des>(key)?,
            Encryption::TripleDesCbc => blocks::<TdesEde3>(key)?,
            Encryption::AesCbc => match key.len() {
                16 => blocks::<Aes128>(key)?,
                24 => blocks::<Aes192>(key)?,
                _ => blocks::<Aes256>(key)?,
            },
            Encryption::AesCtr => Mode::Counter(match key.len() {
                16 => Box::new(Aes128::new_from_slice(key).ok()?),
                24 => Box::new(Aes192::new_from_slice(key).ok()?),
                _ => Box::new(Aes256::new_from_slice(key).ok()?),
            }),
            Encryption::AesGcm { icv, .. } => Mode::Sealed {
                cipher: match key.len() {
                    16 => gcm::<Aes128>(key, icv)?,
                    24 => gcm::<Aes192>(key, icv)?,
                    _ => gcm::<Aes256>(key, icv)?,
                },
                tag: icv,
            },
            Encryption::AesCcm { icv } => Mode::Sealed {
                cipher: match key.len() {
                    16 => ccm::<Aes128>(key, icv)?,
                    24 => ccm::<Aes192>(key, icv)?,
                    _ => ccm::<Aes256>(key, icv)?,
                },
                tag: icv,
            },
            Encryption::ChaCha20Poly1305 { .. } => Mode::Sealed {
                cipher: Box::new(ChaCha {
                    aead: ChaCha20Poly1305::new_from_slice(key).ok()?,
                    key: Zeroizing::new(key.try_into().ok()?),
                }),
                tag: 16,
            },
        };
        let implicit_iv = encryption.implicit_iv();
        let iv = match &mode {
            Mode::Null => 0,
            Mode::Blocks { size, .. } => *size,
            Mode::Counter(_) | Mode::Sealed { .. } => {
                if implicit_iv {
                    0
                } else {
                    8
                }
            }
        };
        Some(Cipher { mode, salt: Zeroizing::new(salt.to_vec()), iv, implicit_iv })
    }

    /// How many octets of initialisation vector each packet carries.
    pub(super) fn iv(&self) -> usize {
        self.iv
    }

    /// How many octets of tag each packet carries for the cipher itself.
    pub(super) fn tag(&self) -> usize {
        if let Mode::Sealed { tag, .. } = self.mode { tag } else { 0 }
    }

    /// What a ciphertext is a multiple of.
    pub(super) fn block(&self) -> usize {
        if let Mode::Blocks { size, .. } = self.mode { size } else { 1 }
    }

    /// Decrypts `text` in place; `again` restores it for a second try. `associated` is what is authenticated beside the
    /// text, `sequence` is the packet's number. Says whether the tag is right, if the cipher has one.
    pub(super) fn decrypt(
        &self,
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8],
        sequence: u64,
        again: &[u8],
    ) -> Option<bool> {
        let counted = sequence.to_be_bytes();
        let iv = if self.implicit_iv { &counted[..] } else { iv };
        match &self.mode {
            Mode::Null => None,
            Mode::Blocks { cipher, .. } => {
                cipher.decrypt(iv, text);
                None
            }
            Mode::Counter(cipher) => {
                cipher.apply(&counter_block(&[&self.salt, iv], 1), text);
                None
            }
            Mode::Sealed { cipher, .. } => {
                let mut nonce = [0; 12];
                let length = self.salt.len() + iv.len();
                nonce[..self.salt.len()].copy_from_slice(&self.salt);
                nonce[self.salt.len()..length].copy_from_slice(iv);
                let authentic = cipher.open(&nonce[..length], associated, text, tag);
                if !authentic {
                    text.copy_from_slice(again);
                    cipher.uncover(&nonce[..length], text);
                }
                Some(authentic)
            }
        }
    }
}

/// A block of 16 octets: `head`, then nought, then the counter in the last four.
fn counter_block(head: &[&[u8]], counter: u32) -> [u8; 16] {
    let mut block = [0; 16];
    for (place, octet) in block.iter_mut().zip(head.iter().copied().flatten()) {
        *place = *octet;
    }
    block[12..].copy_from_slice(&counter.to_be_bytes());
    block
}

/// Cipher block chaining.
trait Blocks: Send + Sync {
    fn decrypt(&self, iv: &[u8], text: &mut [u8]);
}

impl<C: BlockCipherDecrypt + Send + Sync> Blocks for C {
    fn decrypt(&self, iv: &[u8], text: &mut [u8]) {
        let Ok(iv) = iv.try_into() else { return };
        let (blocks, _) = Array::slice_as_chunks_mut(text);
        cbc::Decryptor::inner_iv_init(self, iv).decrypt_blocks(blocks);
    }
}

fn blocks<C: BlockCipherDecrypt + KeyInit + Send + Sync + 'static>(key: &[u8]) -> Option<Mode> {
    Some(Mode::Blocks { cipher: Box::new(C::new_from_slice(key).ok()?), size: Block::<C>::default().len() })
}

/// Counter mode, whose counter is the last 32 bits of the block.
trait Counter: Send + Sync {
    fn apply(&self, first: &[u8; 16], text: &mut [u8]);
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync> Counter for C {
    fn apply(&self, first: &[u8; 16], text: &mut [u8]) {
        let core = CtrCore::<&C, flavors::Ctr32BE>::inner_iv_init(self, first.into());
        // Only a text of 64 GiB could use the counter up.
        let _ = StreamCipherCoreWrapper::from_core(core).try_apply_keystream(text);
    }
}

/// A cipher with a tag of its own.
trait Sealed: Send + Sync {
    /// Decrypts and says whether the tag is right. If not, `text` holds nothing of use.
    fn open(&self, nonce: &[u8], associated: &[u8], text: &mut [u8], tag: &[u8]) -> bool;

    /// Decrypts without a look at any tag.
    fn uncover(&self, nonce: &[u8], text: &mut [u8]);
}

fn open_with<A: AeadInOut>(aead: &A, nonce: &[u8], associated: &[u8], text: &mut [u8], tag: &[u8]) -> bool {
    match (nonce.try_into(), tag.try_into()) {
        (Ok(nonce), Ok(tag)) => aead.decrypt_inout_detached(nonce, associated, text.into(), tag).is_ok(),
        _ => false,
    }
}

/// Counter mode with a tag, GCM or CCM.
struct Counted<A, C> {
    aead: A,
    cipher: C,
    /// The counter block that the text begins with.
    first: fn(&[u8]) -> [u8; 16],
}

impl<A: AeadInOut + Send + Sync, C: Counter> Sealed for Counted<A, C> {
    fn open(&self, nonce: &[u8], associated: &[u8], text: &mut [u8], tag: &[u8]) -> bool {
        open_with(&self.aead, nonce, associated, text, tag)
    }

    fn uncover(&self, nonce: &[u8], text: &mut [u8]) {
        self.cipher.apply(&(self.first)(nonce), text);
    }
}

/// What all three lengths of AES are.
trait Aes: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send + Sync + 'static {}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send + Sync + 'static> Aes for C {}

fn counted<A, C>(key: &[u8], first: fn(&[u8]) -> [u8; 16]) -> Option<Box<dyn Sealed>>
where
    A: AeadInOut + KeyInit + Send + Sync + 'static,
    C: Aes,
{
    let (aead, cipher) = (A::new_from_slice(key).ok()?, C::new_from_slice(key).ok()?);
    Some(Box::new(Counted { aead, cipher, first }))
}

fn gcm<C: Aes>(key: &[u8], icv: usize) -> Option<Box<dyn Sealed>> {
    // The first counter block makes the tag.
    let first = |nonce: &[u8]| counter_block(&[nonce], 2);
    match icv {
        8 => counted::<AesGcm<C, U12, U8>, C>(key, first),
        12 => counted::<AesGcm<C, U12, U12>, C>(key, first),
        16 => counted::<AesGcm<C, U12, U16>, C>(key, first),
        _ => None,
    }
}

fn ccm<C: Aes>(key: &[u8], icv: usize) -> Option<Box<dyn Sealed>> {
    // The counter has four octets (RFC 4309 section 3), and block nought makes the tag.
    let first = |nonce: &[u8]| counter_block(&[&[3], nonce], 1);
    match icv {
        8 => counted::<Ccm<C, U8, U11>, C>(key, first),
        12 => counted::<Ccm<C, U12, U11>, C>(key, first),
        16 => counted::<Ccm<C, U16, U11>, C>(key, first),
        _ => None,
    }
}

struct ChaCha {
    aead: ChaCha20Poly1305,
    key: Zeroizing<[u8; 32]>,
}

impl Sealed for ChaCha {
    fn open(&self, nonce: &[u8], associated: &[u8], text: &mut [u8], tag: &[u8]) -> bool {
        open_with(&self.aead, nonce, associated, text, tag)
    }

    fn uncover(&self, nonce: &[u8], text: &mut [u8]) {
        let Ok(nonce) = nonce.try_into() else { return };
        let mut stream = ChaCha20::new((&*self.key).into(), nonce);
        // The first block of 64 octets is the key of the tag (RFC 8439 section 2.8).
        if stream.try_seek(64u32).is_ok() {
            let _ = stream.try_apply_keystream(text);
        }
    }
}
