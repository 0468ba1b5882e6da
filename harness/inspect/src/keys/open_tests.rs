//! Opening: vectors of RFCs, every algorithm against its inverse, and octets of all kinds.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, aead::AeadInOut};
use cbc::cipher::{
    Array, BlockCipherEncrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit, KeyIvInit, StreamCipher,
    consts::{U8, U11, U12, U16},
};
use ccm::Ccm;
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, Mac};
use proptest::prelude::*;

use super::*;

fn octets(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Keys with one row of `esp_sa`; `rest` are the columns behind the eighth.
fn esp_keys(encryption: &str, key: &[u8], authentication: &str, authentication_key: &[u8], rest: &str) -> Keys {
    let mut keys = Keys::default();
    let (key, other) = (hex(key), hex(authentication_key));
    let row =
        format!("\"Any\",\"*\",\"*\",\"*\",\"{encryption}\",\"0x{key}\",\"{authentication}\",\"0x{other}\"{rest}");
    keys.add("test", row.as_bytes()).unwrap();
    keys
}

fn ike_keys(encryption: &str, key: &[u8], authentication: &str, authentication_key: &[u8]) -> Keys {
    let mut keys = Keys::default();
    let (key, other) = (hex(key), hex(authentication_key));
    let row =
        format!("c0c1c2c3c4c5c6c7,d0d1d2d3d4d5d6d7,{key},{key},\"{encryption}\",{other},{other},\"{authentication}\"");
    keys.add("test", row.as_bytes()).unwrap();
    keys
}

#[test]
fn rfc_3602_case_7_is_opened() {
    let key = octets("0123456789abcdef0123456789abcdef");
    let esp = octets(
        "0000876500000002 f4e765244f6407adf13dc1380f673f37 773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a9301
         3c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2
         201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
    );
    let keys = esp_keys("AES-CBC", &key, "NULL", &[], "");
    let mut out = Vec::new();
    let opened = keys.esp(ANY, ANY, 0x8765).unwrap().open(&esp, &mut out).unwrap();
    assert_eq!(
        out[opened.payload.clone()],
        octets(
            "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213
             1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
        )
    );
    assert_eq!((opened.iv, opened.icv, opened.authentic), (8..24, 120..120, None));
    assert_eq!((opened.padding.clone(), opened.pad_length, opened.next_header), (84..94, 10, Some(4)));
    assert_eq!(out[opened.padding], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

const CHACHA_KEY: &str = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3";

#[test]
fn rfc_7634_appendix_a_is_opened() {
    let esp = octets(
        "01020304 00000005 1011121314151617 24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6
         14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da
         9165b82829f641e0 76aaa8266b7fb0f7b11b369907e1ad43",
    );
    let keys = esp_keys("ChaCha20 with Poly1305 [RFC7634]", &octets(CHACHA_KEY), "NULL", &[], "");
    let sa = keys.esp(ANY, ANY, 0x0102_0304).unwrap();
    let mut out = Vec::new();
    let opened = sa.open(&esp, &mut out).unwrap();
    assert_eq!((opened.authentic, opened.next_header, opened.pad_length), (Some(true), Some(4), 2));
    assert_eq!(out[opened.payload.start..12], octets("45000054a6f200004001e778"));
    assert_eq!((opened.payload, opened.iv, opened.icv), (0..84, 8..16, 104..120));
    let plaintext = out.clone();

    // A wrong tag does not hide what the cipher gives.
    let mut bent = esp.clone();
    bent[119] ^= 1;
    let opened = sa.open(&bent, &mut out).unwrap();
    assert_eq!((opened.authentic, &out), (Some(false), &plaintext));
}

#[test]
fn rfc_7634_appendix_b_is_opened() {
    let message = octets(
        "c0c1c2c3c4c5c6c7 d0d1d2d3d4d5d6d7 2e202500 00000009 00000045 29000029 1011121314151617
         610394701f8d017f7c12924889 6b71bfe25236efd7cdc67066906315b2",
    );
    let keys = ike_keys("ChaCha20 with Poly1305", &octets(CHACHA_KEY), "NONE", &[]);
    let sa = keys.ike2(0xc0c1_c2c3_c4c5_c6c7, 0xd0d1_d2d3_d4d5_d6d7).unwrap();
    let mut out = Vec::new();
    for from_initiator in [true, false] {
        let opened = sa.open(&message, 32..69, from_initiator, &mut out).unwrap();
        assert_eq!(out[opened.payload.clone()], octets("0000000c000040010000000a"));
        assert_eq!((opened.authentic, opened.pad_length, opened.next_header), (Some(true), 0, None));
    }
    for wrong in [33..69, 31..69, 32..68] {
        let opened = sa.open(&message, wrong, true, &mut out);
        assert!(!matches!(opened, Ok(Opened { authentic: Some(true), .. })), "{opened:?}");
    }
    let backwards = Range { start: 40, end: 32 };
    for outside in [32..70, backwards, usize::MAX - 1..usize::MAX] {
        assert_eq!(sa.open(&message, outside, true, &mut out), Err(OpenError::OutOfMessage));
    }
}

/// Encrypts a text in place and returns its tag: key with salt, initialisation vector, what is authenticated beside it.
type Seal = fn(&[u8], &[u8], &[u8], &mut [u8]) -> Vec<u8>;

/// How a sender protects, for each algorithm that is opened.
#[derive(Clone, Copy, Debug)]
struct Scheme {
    name: &'static str,
    key: usize,
    iv: usize,
    tag: usize,
    block: usize,
    seal: Seal,
}

fn cbc_encrypt<C: BlockCipherEncrypt + KeyInit>(key: &[u8], iv: &[u8], _: &[u8], text: &mut [u8]) -> Vec<u8> {
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    assert!(rest.is_empty());
    cbc::Encryptor::<C>::new_from_slices(key, iv).unwrap().encrypt_blocks(blocks);
    Vec::new()
}

fn ctr_encrypt<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit>(
    key: &[u8],
    iv: &[u8],
    _: &[u8],
    text: &mut [u8],
) -> Vec<u8> {
    let (key, salt) = key.split_at(key.len() - 4);
    let block: [u8; 16] = [salt, iv, &[0, 0, 0, 1]].concat().try_into().unwrap();
    let core = ctr::CtrCore::<C, ctr::flavors::Ctr128BE>::inner_iv_init(C::new_from_slice(key).unwrap(), &block.into());
    cbc::cipher::StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
    Vec::new()
}

fn aead_encrypt<A: AeadInOut + KeyInit, const SALT: usize>(
    key: &[u8],
    iv: &[u8],
    associated: &[u8],
    text: &mut [u8],
) -> Vec<u8> {
    let (key, salt) = key.split_at(key.len() - SALT);
    let nonce = [salt, iv].concat();
    let aead = A::new_from_slice(key).unwrap();
    aead.encrypt_inout_detached(nonce.as_slice().try_into().unwrap(), associated, text.into()).unwrap().to_vec()
}

const fn scheme(name: &'static str, (key, iv, tag, block): (usize, usize, usize, usize), seal: Seal) -> Scheme {
    Scheme { name, key, iv, tag, block, seal }
}

fn schemes() -> Vec<Scheme> {
    vec![
        scheme("NULL", (0, 0, 0, 1), |_, _, _, _| Vec::new()),
        scheme("DES-CBC", (8, 8, 0, 8), cbc_encrypt::<des::Des>),
        scheme("TripleDES-CBC", (24, 8, 0, 8), cbc_encrypt::<des::TdesEde3>),
        scheme("AES-CBC", (16, 16, 0, 16), cbc_encrypt::<Aes128>),
        scheme("AES-CBC", (24, 16, 0, 16), cbc_encrypt::<Aes192>),
        scheme("AES-CBC", (32, 16, 0, 16), cbc_encrypt::<Aes256>),
        scheme("AES-CTR", (20, 8, 0, 1), ctr_encrypt::<Aes128>),
        scheme("AES-CTR", (28, 8, 0, 1), ctr_encrypt::<Aes192>),
        scheme("AES-CTR", (36, 8, 0, 1), ctr_encrypt::<Aes256>),
        scheme("AES-GCM with 8 octet ICV", (20, 8, 8, 1), aead_encrypt::<AesGcm<Aes128, U12, U8>, 4>),
        scheme("AES-GCM with 12 octet ICV", (28, 8, 12, 1), aead_encrypt::<AesGcm<Aes192, U12, U12>, 4>),
        scheme("AES-GCM with 16 octet ICV", (36, 8, 16, 1), aead_encrypt::<AesGcm<Aes256, U12, U16>, 4>),
        scheme("AES-CCM with 8 octet ICV", (19, 8, 8, 1), aead_encrypt::<Ccm<Aes128, U8, U11>, 3>),
        scheme("AES-CCM with 12 octet ICV", (27, 8, 12, 1), aead_encrypt::<Ccm<Aes192, U12, U11>, 3>),
        scheme("AES-CCM with 16 octet ICV", (35, 8, 16, 1), aead_encrypt::<Ccm<Aes256, U16, U11>, 3>),
        scheme("ChaCha20 with Poly1305", (36, 8, 16, 1), aead_encrypt::<ChaCha20Poly1305, 4>),
    ]
}

fn hmac<D>(key: &[u8], octets: &[u8]) -> Vec<u8>
where
    D: hmac::EagerHash,
    Hmac<D>: Mac + KeyInit,
{
    let mut mac = <Hmac<D> as KeyInit>::new_from_slice(key).unwrap();
    mac.update(octets);
    mac.finalize().into_bytes().to_vec()
}

type Code = fn(&[u8], &[u8]) -> Vec<u8>;

const INTEGRITIES: [(&str, usize, Code); 7] = [
    ("HMAC-MD5-96", 12, hmac::<md5::Md5>),
    ("HMAC-SHA-1-96", 12, hmac::<sha1::Sha1>),
    ("HMAC-SHA-1-160", 20, hmac::<sha1::Sha1>),
    ("HMAC-SHA-256-96", 12, hmac::<sha2::Sha256>),
    ("HMAC-SHA-256-128", 16, hmac::<sha2::Sha256>),
    ("HMAC-SHA-384-192", 24, hmac::<sha2::Sha384>),
    ("HMAC-SHA-512-256", 32, hmac::<sha2::Sha512>),
];

fn key(octets: usize, salt: u8) -> Vec<u8> {
    (0..octets).map(|at| (at as u8).wrapping_mul(37) ^ salt).collect()
}

/// The payload with padding and trailer, to a multiple of four and of the cipher's block.
fn padded(payload: &[u8], block: usize, next_header: u8) -> Vec<u8> {
    let missing = (payload.len() + 2).next_multiple_of(block.max(4)) - payload.len() - 2;
    let padding: Vec<u8> = (1..=missing as u8).collect();
    [payload, &padding, &[missing as u8, next_header]].concat()
}

/// An ESP packet of SPI 0x01020304 as its sender makes it.
fn sealed(scheme: Scheme, sequence: u64, extended: bool, payload: &[u8], integrity: Option<(Code, usize)>) -> Vec<u8> {
    let low = sequence as u32;
    let spi = [1, 2, 3, 4];
    let (high, low) = (((sequence >> 32) as u32).to_be_bytes(), low.to_be_bytes());
    let associated = if extended { [spi, high, low].concat() } else { [spi, low].concat() };
    let iv = key(scheme.iv, low[3]);
    let mut text = padded(payload, scheme.block, 47);
    let tag = (scheme.seal)(&key(scheme.key, 5), &iv, &associated, &mut text);
    let mut esp = [&spi[..], &low, &iv, &text, &tag].concat();
    if let Some((code, length)) = integrity {
        let mut authenticated = esp.clone();
        if extended {
            authenticated.extend(high);
        }
        esp.extend(&code(&key(20, 9), &authenticated)[..length]);
    }
    esp
}

#[test]
fn every_cipher_opens_what_its_inverse_sealed() {
    let mut out = Vec::new();
    for scheme in schemes() {
        let keys = esp_keys(scheme.name, &key(scheme.key, 5), "NULL", &[], "");
        let sa = keys.esp(ANY, ANY, 0x0102_0304).unwrap();
        for length in [0, 1, 13, 14, 15, 16, 100, 1400] {
            let payload = key(length, 77);
            let esp = sealed(scheme, 7, false, &payload, None);
            let opened = sa.open(&esp, &mut out).unwrap();
            assert_eq!(out[opened.payload.clone()], payload, "{} {length}", scheme.name);
            assert_eq!((opened.next_header, opened.iv), (Some(47), 8..8 + scheme.iv), "{}", scheme.name);
            assert_eq!(opened.icv, esp.len() - scheme.tag..esp.len(), "{}", scheme.name);
            assert_eq!(opened.authentic, (scheme.tag > 0).then_some(true), "{}", scheme.name);
        }
    }
}

#[test]
fn every_integrity_is_checked_and_a_wrong_one_hides_nothing() {
    let scheme = schemes()[3];
    let mut out = Vec::new();
    for (name, length, code) in INTEGRITIES {
        let keys = esp_keys(scheme.name, &key(scheme.key, 5), name, &key(20, 9), "");
        let sa = keys.esp(ANY, ANY, 1).unwrap();
        let payload = key(60, 3);
        let esp = sealed(scheme, 7, false, &payload, Some((code, length)));
        let opened = sa.open(&esp, &mut out).unwrap();
        assert_eq!((opened.authentic, opened.icv), (Some(true), esp.len() - length..esp.len()), "{name}");
        for place in [0, 4, 7, esp.len() - length, esp.len() - 1] {
            let mut bent = esp.clone();
            bent[place] ^= 0x10;
            let opened = sa.open(&bent, &mut out).unwrap();
            assert_eq!(opened.authentic, Some(false), "{name} octet {place}");
            assert_eq!(out[opened.payload], payload, "{name} octet {place}");
        }
    }
}

#[test]
fn extended_sequence_numbers_are_given_or_guessed() {
    let by_code: (Code, usize) = (hmac::<sha2::Sha256>, 16);
    let schemes = schemes();
    let ccm = schemes[14];
    let gcm = schemes[11];
    let cbc = schemes[5];
    let mut out = Vec::new();
    for (scheme, integrity) in [(cbc, Some(by_code)), (gcm, None), (ccm, None)] {
        let (name, other) = match integrity {
            Some(_) => ("HMAC-SHA-256-128", key(20, 9)),
            None => ("NULL", Vec::new()),
        };
        for (columns, high, extended, authentic) in [
            ("", 0, false, true),
            ("", 0, true, true),
            ("", 3, true, false),
            (",\"32-bit\",\"\"", 0, false, true),
            (",\"32-bit\",\"\"", 0, true, false),
            (",\"64-bit\",\"0x3\"", 3, true, true),
            (",\"64-bit\",\"0x3\"", 4, true, false),
            (",\"64-bit\",\"\"", 0, true, true),
        ] {
            let keys = esp_keys(scheme.name, &key(scheme.key, 5), name, &other, columns);
            let esp = sealed(scheme, high << 32 | 9, extended, b"payload", integrity);
            let opened = keys.esp(ANY, ANY, 1).unwrap().open(&esp, &mut out).unwrap();
            let what = format!("{} {columns} high {high} extended {extended}", scheme.name);
            assert_eq!(opened.authentic, Some(authentic), "{what}");
            assert_eq!(out[opened.payload], *b"payload", "{what}");
        }
    }
}

#[test]
fn an_implicit_vector_is_the_sequence_number() {
    let seal = aead_encrypt::<AesGcm<Aes128, U12, U16>, 4>;
    let keys = esp_keys("AES-GCM with IIV and 16 octet ICV", &key(20, 5), "NULL", &[], "");
    let header = [1, 2, 3, 4, 0, 0, 0, 9];
    let mut text = padded(b"payload", 1, 47);
    let tag = seal(&key(20, 5), &[0, 0, 0, 0, 0, 0, 0, 9], &header, &mut text);
    let esp = [&header[..], &text, &tag].concat();
    let mut out = Vec::new();
    let opened = keys.esp(ANY, ANY, 1).unwrap().open(&esp, &mut out).unwrap();
    assert_eq!((opened.authentic, opened.iv, &out[opened.payload]), (Some(true), 8..8, &b"payload"[..]));
}

#[test]
fn wireshark_s_older_tables_say_the_length_of_a_tag_as_an_authentication() {
    let gcm8 = schemes()[9];
    let keys = esp_keys("AES-GCM [RFC4106]", &key(20, 5), "ANY 64 bit authentication [no checking]", &[], "");
    let esp = sealed(gcm8, 1, false, b"payload", None);
    let opened = keys.esp(ANY, ANY, 1).unwrap().open(&esp, &mut Vec::new()).unwrap();
    assert_eq!((opened.authentic, opened.icv.len()), (Some(true), 8));
}

#[test]
fn ikev2_is_opened_with_every_cipher_whole_and_in_fragments() {
    let mut out = Vec::new();
    for scheme in schemes() {
        let seals = scheme.tag > 0;
        let (name, code_key, code_length) = match seals {
            true => ("NONE", Vec::new(), 0),
            false => ("HMAC_SHA2_256_128", key(20, 9), 16),
        };
        let keys = ike_keys(scheme.name, &key(scheme.key, 5), name, &code_key);
        let sa = keys.ike2(0xc0c1_c2c3_c4c5_c6c7, 0xd0d1_d2d3_d4d5_d6d7).unwrap();
        // The header, the payload's generic header, and for a fragment its number and their count.
        for head in [32, 36] {
            let mut text = padded(b"payloads", scheme.block, 0);
            text.pop();
            if scheme.block > 1 {
                text = [&b"payloads"[..], &vec![0; scheme.block - 9 % scheme.block], &[0]].concat();
                let pad = text.len() - 9;
                *text.last_mut().unwrap() = pad as u8;
            }
            let (associated, iv) = (key(head, 1), key(scheme.iv, 2));
            let tag = (scheme.seal)(&key(scheme.key, 5), &iv, &associated, &mut text);
            let mut message = [&associated[..], &iv, &text, &tag].concat();
            if !seals {
                let value = hmac::<sha2::Sha256>(&code_key, &message);
                message.extend(&value[..code_length]);
            }
            let opened = sa.open(&message, head..message.len(), true, &mut out).unwrap();
            assert_eq!((opened.authentic, opened.next_header), (Some(true), None), "{}", scheme.name);
            assert_eq!(out[opened.payload], *b"payloads", "{}", scheme.name);
            message[3] ^= 1;
            let opened = sa.open(&message, head..message.len(), true, &mut out).unwrap();
            assert_eq!(opened.authentic, Some(false), "{}: the header is authenticated too", scheme.name);
        }
    }
}

#[test]
fn every_cut_is_an_error_or_inauthentic_and_errors_say_what_is_missing() {
    let mut out = Vec::new();
    for scheme in schemes() {
        for (name, length, code) in [INTEGRITIES[1], ("NULL", 0, INTEGRITIES[0].2)] {
            let integrity = (length > 0).then_some((code, length));
            let other = if length > 0 { key(20, 9) } else { Vec::new() };
            let keys = esp_keys(scheme.name, &key(scheme.key, 5), name, &other, "");
            let sa = keys.esp(ANY, ANY, 1).unwrap();
            let esp = sealed(scheme, 7, false, &key(40, 1), integrity);
            let least = 8 + scheme.iv + scheme.tag + length + 2;
            for cut in 0..esp.len() {
                let opened = sa.open(&esp[..cut], &mut out);
                if cut < least {
                    assert!(matches!(opened, Err(OpenError::TooShort { .. })), "{} {cut} {opened:?}", scheme.name);
                }
                assert!(!matches!(opened, Ok(Opened { authentic: Some(true), .. })), "{} {cut}", scheme.name);
            }
        }
    }
}

#[test]
fn wrong_keys_are_suspected_where_the_padding_can_not_be() {
    let keys = esp_keys("NULL", &[], "NULL", &[], "");
    let mut out = Vec::new();
    let error = keys.esp(ANY, ANY, 1).unwrap().open(&[0, 0, 0, 1, 0, 0, 0, 1, 7, 7, 200, 4], &mut out).unwrap_err();
    assert_eq!(error.to_string(), "200 octets of padding in a plaintext of 4: are these the right keys?");
    assert_eq!(out, [7, 7, 200, 4], "the plaintext is shown all the same");
}

proptest! {
    #[test]
    fn no_octets_panic(
        octets in proptest::collection::vec(any::<u8>(), 0..200),
        which in 0..16usize,
        start in 0..220usize,
        end in 0..220usize,
    ) {
        let scheme = schemes()[which];
        let mut out = Vec::new();
        let keys = esp_keys(scheme.name, &key(scheme.key, 5), "HMAC-SHA-1-96", &key(20, 9), "");
        if let Ok(opened) = keys.esp(ANY, ANY, 1).unwrap().open(&octets, &mut out) {
            prop_assert_eq!(opened.payload.start, 0);
            prop_assert_eq!(opened.payload.end, opened.padding.start);
            prop_assert_eq!(opened.padding.end + 2, out.len());
            prop_assert!(opened.icv.end == octets.len() && opened.iv.end <= opened.icv.start);
        }
        let keys = ike_keys(scheme.name, &key(scheme.key, 5), "HMAC_SHA1_96", &key(20, 9));
        let sa = keys.ike2(0xc0c1_c2c3_c4c5_c6c7, 0xd0d1_d2d3_d4d5_d6d7).unwrap();
        if let Ok(opened) = sa.open(&octets, start..end, true, &mut out) {
            prop_assert_eq!(opened.padding.end + 1, out.len());
        }
    }

    #[test]
    fn whatever_was_sealed_is_opened_and_one_bit_is_noticed(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        sequence: u32,
        which in 0..16usize,
        bit: proptest::sample::Index,
    ) {
        let scheme = schemes()[which];
        let integrity: Option<(Code, usize)> = (scheme.tag == 0).then_some((hmac::<sha1::Sha1> as Code, 12));
        let (name, other) = if scheme.tag == 0 { ("HMAC-SHA-1-96", key(20, 9)) } else { ("NULL", Vec::new()) };
        let keys = esp_keys(scheme.name, &key(scheme.key, 5), name, &other, "");
        let sa = keys.esp(ANY, ANY, 1).unwrap();
        let mut esp = sealed(scheme, u64::from(sequence), false, &payload, integrity);
        let mut out = Vec::new();
        let opened = sa.open(&esp, &mut out).unwrap();
        prop_assert_eq!(opened.authentic, Some(true));
        prop_assert_eq!(&out[opened.payload], &payload[..]);

        let bit = bit.index(8 * esp.len());
        esp[bit / 8] ^= 1 << (bit % 8);
        let authentic = match sa.open(&esp, &mut out) {
            Ok(opened) => opened.authentic,
            Err(OpenError::Padding { authentic, .. }) => authentic,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        prop_assert_eq!(authentic, Some(false));
    }
}
