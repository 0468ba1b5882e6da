//! Names of algorithms, as Wireshark's tables and tcpdump's files write them, and the key that each takes.

/// An encryption algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// RFC 2410.
    Null,
    /// RFC 2405.
    DesCbc,
    /// RFC 2451.
    TripleDesCbc,
    /// RFC 3602.
    AesCbc,
    /// RFC 3686, RFC 5930.
    AesCtr,
    /// RFC 4106, RFC 5282.
    AesGcm { icv: usize, implicit_iv: bool },
    /// RFC 4309, RFC 5282.
    AesCcm { icv: usize },
    /// RFC 7634.
    ChaCha20Poly1305 { implicit_iv: bool },
}

/// How many octets of tag GCM and CCM have in packets.
const TAGS: [usize; 3] = [8, 12, 16];

/// What is read for encryption, for messages.
pub(super) const ENCRYPTIONS: &str = "NULL, DES-CBC, TripleDES-CBC, AES-CBC, AES-CTR, AES-GCM or AES-CCM with 8, 12 or 16 \
                                      octet ICV, ChaCha20 with Poly1305; for IKEv2 also with the key's length as in \
                                      AES-CBC-128";

/// What is read for authentication, for messages.
pub(super) const AUTHENTICATIONS: &str = "NULL, HMAC-MD5-96, HMAC-MD5-128, HMAC-SHA-1-96, HMAC-SHA-1-160, HMAC-SHA-256-96, \
                                          HMAC-SHA-256-128, HMAC-SHA-384-192, HMAC-SHA-512-256, AES-XCBC-MAC-96, or ANY \
                                          96 bit authentication, which is not checked";

impl Encryption {
    /// The algorithm of this name, and how many bits of key the name tells.
    pub(super) fn named(name: &str) -> Option<(Encryption, Option<usize>)> {
        let name = normal(name);
        let (name, icv) = match name.strip_suffix(" OCTET ICV").and_then(|name| name.rsplit_once(' ')) {
            Some((name, icv)) => (name, Some(icv.parse().ok().filter(|icv| TAGS.contains(icv))?)),
            None => (name.as_str(), None),
        };
        let implicit_iv = name.contains(" WITH IIV") || name.ends_with(" AND IIV");
        // "AES-GCM with IIV and 16 octet ICV", "ChaCha20 with Poly1305 and IIV"
        let name = ["WITH A", "WITH", "WITH IIV AND", "WITH IIV", "AND IIV"]
            .iter()
            .fold(name, |name, words| name.strip_suffix(words).unwrap_or(name).trim_end());
        let (name, bits) = match name.rsplit_once('-') {
            Some((name, bits @ ("128" | "192" | "256"))) => (name, bits.parse().ok()),
            _ => (name, None),
        };
        let icv_given = icv.is_some();
        let icv = icv.unwrap_or(16);
        let found = match name {
            "NULL" | "NONE" => Encryption::Null,
            "DES-CBC" => Encryption::DesCbc,
            "3DES" | "3DES-CBC" | "TRIPLEDES-CBC" => Encryption::TripleDesCbc,
            "AES-CBC" => Encryption::AesCbc,
            "AES-CTR" => Encryption::AesCtr,
            "AES-GCM" => Encryption::AesGcm { icv, implicit_iv },
            "AES-CCM" => Encryption::AesCcm { icv },
            "CHACHA20 WITH POLY1305" | "CHACHA20-POLY1305" => Encryption::ChaCha20Poly1305 { implicit_iv },
            _ => return None,
        };
        let sealed = matches!(found, Encryption::AesGcm { .. } | Encryption::AesCcm { .. });
        let may_imply = matches!(found, Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 { .. });
        ((!icv_given || sealed) && (!implicit_iv || may_imply)).then_some((found, bits))
    }

    /// What of the key, at its end, goes into the nonces.
    pub(super) fn salt(self) -> usize {
        match self {
            Encryption::AesCtr | Encryption::AesGcm { .. } | Encryption::ChaCha20Poly1305 { .. } => 4,
            Encryption::AesCcm { .. } => 3,
            _ => 0,
        }
    }

    /// Whether packets do not carry the initialisation vector (RFC 8750).
    pub(super) fn implicit_iv(self) -> bool {
        match self {
            Encryption::AesGcm { implicit_iv, .. } | Encryption::ChaCha20Poly1305 { implicit_iv } => implicit_iv,
            _ => false,
        }
    }

    /// The same algorithm with this length of tag, if it can have that.
    pub(super) fn with_icv(self, icv: usize) -> Option<Encryption> {
        match self {
            Encryption::AesGcm { implicit_iv, .. } if TAGS.contains(&icv) => {
                Some(Encryption::AesGcm { icv, implicit_iv })
            }
            Encryption::AesCcm { .. } if TAGS.contains(&icv) => Some(Encryption::AesCcm { icv }),
            Encryption::ChaCha20Poly1305 { .. } if icv == 16 => Some(self),
            _ => None,
        }
    }

    /// Whether the algorithm authenticates by itself.
    pub(super) fn seals(self) -> bool {
        use Encryption::{AesCcm, AesGcm, ChaCha20Poly1305};
        matches!(self, AesGcm { .. } | AesCcm { .. } | ChaCha20Poly1305 { .. })
    }

    /// What keys of what length it takes, salt included, where `octets` is not one of them. `bits` is what the name told.
    pub(super) fn check_key(self, octets: usize, bits: Option<usize>) -> Result<(), String> {
        let lengths: &[usize] = match self {
            Encryption::Null => return Ok(()),
            Encryption::DesCbc => &[8],
            Encryption::TripleDesCbc => &[24],
            Encryption::ChaCha20Poly1305 { .. } => &[32],
            _ => &[16, 24, 32],
        };
        let lengths: Vec<usize> = lengths
            .iter()
            .filter(|length| bits.is_none_or(|bits| **length == bits / 8))
            .map(|length| length + self.salt())
            .collect();
        if lengths.contains(&octets) {
            return Ok(());
        }
        let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
        let salt = match self.salt() {
            0 => String::new(),
            salt => format!(", the last {salt} of them salt"),
        };
        Err(format!("expected a key of {} octets{salt}, found {octets}", lengths.join(" or ")))
    }
}

/// An integrity algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authentication {
    /// How the value is computed; absent where it is not, or can not be checked.
    pub(super) hash: Option<Hash>,
    /// How many octets of it each packet carries.
    pub(super) icv: usize,
}

/// How an integrity check value is computed: HMAC with this hash, or a cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    AesXcbc,
}

impl Authentication {
    /// No integrity check value.
    pub(super) const NONE: Authentication = Authentication { hash: None, icv: 0 };

    /// A value of so many octets that nobody checks.
    pub(super) fn unchecked(icv: usize) -> Authentication {
        Authentication { hash: None, icv }
    }

    /// The algorithm of this name.
    pub(super) fn named(name: &str) -> Option<Authentication> {
        let name = normal(name).replace("SHA2-", "SHA-").replace("SHA1-", "SHA-1-");
        let (hash, icv) = match name.as_str() {
            "" | "NULL" | "NONE" => return Some(Authentication::NONE),
            "HMAC-MD5-96" => (Hash::Md5, 12),
            "HMAC-MD5-128" => (Hash::Md5, 16),
            "HMAC-SHA-1-96" => (Hash::Sha1, 12),
            "HMAC-SHA-1-160" => (Hash::Sha1, 20),
            "HMAC-SHA-256-96" => (Hash::Sha256, 12),
            "HMAC-SHA-256-128" => (Hash::Sha256, 16),
            "HMAC-SHA-384-192" => (Hash::Sha384, 24),
            "HMAC-SHA-512-256" => (Hash::Sha512, 32),
            "AES-XCBC-MAC-96" | "AES-XCBC-96" => (Hash::AesXcbc, 12),
            "MAC-RIPEMD-160-96" => return Some(Authentication::unchecked(12)),
            any => {
                let bits = any.strip_prefix("ANY ")?.split([' ', '-']).next()?;
                let bits: usize = bits.parse().ok().filter(|bits| [64, 96, 128, 160, 192, 256].contains(bits))?;
                return Some(Authentication::unchecked(bits / 8));
            }
        };
        Some(Authentication { hash: Some(hash), icv })
    }

    /// What key it takes, where one of `octets` is not that.
    pub(super) fn check_key(self, octets: usize) -> Result<(), String> {
        match self.hash {
            Some(Hash::AesXcbc) if octets != 16 => Err(format!("expected a key of 16 octets, found {octets}")),
            Some(_) if octets == 0 => Err("expected a key, found none".to_owned()),
            _ => Ok(()),
        }
    }
}

/// A name without its reference in brackets, its case and its taste in dashes.
fn normal(name: &str) -> String {
    let name = name.split('[').next().unwrap_or_default();
    name.trim().to_ascii_uppercase().replace('_', "-")
}
