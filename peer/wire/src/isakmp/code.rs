//! Code points that both versions share.

use std::fmt;

use crate::code::{code, registry};

/// Major and minor version, four bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u8);

impl Version {
    /// IKEv1.
    pub const V1: Self = Self(0x10);
    /// IKEv2.
    pub const V2: Self = Self(0x20);

    /// The major version: 1 or 2.
    pub const fn major(self) -> u8 {
        self.0 >> 4
    }

    /// The minor version: 0.
    pub const fn minor(self) -> u8 {
        self.0 & 0x0F
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

/// The flags octet. IKEv1 (RFC 2408 section 3.1) and IKEv2 (RFC 7296 section 3.1) use different bits of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// E, IKEv1: everything behind the header is encrypted.
    pub const ENCRYPTION: Self = Self(0x01);
    /// C, IKEv1: the SA is not to be used before a notification says so.
    pub const COMMIT: Self = Self(0x02);
    /// A, IKEv1: authenticated but not encrypted.
    pub const AUTHENTICATION: Self = Self(0x04);
    /// I, IKEv2: sent by who began the IKE SA.
    pub const INITIATOR: Self = Self(0x08);
    /// V, IKEv2: the sender can do a higher major version.
    pub const VERSION: Self = Self(0x10);
    /// R, IKEv2: an answer.
    pub const RESPONSE: Self = Self(0x20);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

registry! {
    /// Exchange type (IANA: IPSEC registry for IKEv1, IKEv2 parameters).
    ExchangeType(u8) as "exchange" {
        BASE = 1 => "Base",
        IDENTITY_PROTECTION = 2 => "Identity Protection",
        AUTHENTICATION_ONLY = 3 => "Authentication Only",
        AGGRESSIVE = 4 => "Aggressive",
        INFORMATIONAL_1 = 5 => "Informational",
        TRANSACTION = 6 => "Transaction",
        QUICK_MODE = 32 => "Quick Mode",
        NEW_GROUP_MODE = 33 => "New Group Mode",
        IKE_SA_INIT = 34 => "IKE_SA_INIT",
        IKE_AUTH = 35 => "IKE_AUTH",
        CREATE_CHILD_SA = 36 => "CREATE_CHILD_SA",
        INFORMATIONAL = 37 => "INFORMATIONAL",
        IKE_SESSION_RESUME = 38 => "IKE_SESSION_RESUME",
        GSA_AUTH = 39 => "GSA_AUTH",
        GSA_REGISTRATION = 40 => "GSA_REGISTRATION",
        GSA_REKEY = 41 => "GSA_REKEY",
        IKE_INTERMEDIATE = 43 => "IKE_INTERMEDIATE",
        IKE_FOLLOWUP_KE = 44 => "IKE_FOLLOWUP_KE",
    }
}

code! {
    /// Payload type. IKEv2 (RFC 7296 section 3.2) begins at 33, so that no number means two things (IANA: IPSEC registry,
    /// IKEv2 parameters).
    PayloadType(u8) as "payload" in "{}" {
        /// No next payload.
        NONE = 0 => "none",
        /// IKEv1: security association, RFC 2408 section 3.4.
        SA_1 = 1 => "SA",
        /// IKEv1: proposal; only ever inside a security association.
        PROPOSAL = 2 => "P",
        /// IKEv1: transform; only ever inside a proposal.
        TRANSFORM = 3 => "T",
        /// IKEv1: key exchange, RFC 2408 section 3.7.
        KE_1 = 4 => "KE",
        /// IKEv1: identification, RFC 2407 section 4.6.2.
        ID_1 = 5 => "ID",
        /// IKEv1: certificate, RFC 2408 section 3.9.
        CERT_1 = 6 => "CERT",
        /// IKEv1: certificate request, RFC 2408 section 3.10.
        CR_1 = 7 => "CR",
        /// IKEv1: hash, RFC 2408 section 3.11.
        HASH_1 = 8 => "HASH",
        /// IKEv1: signature, RFC 2408 section 3.12.
        SIG_1 = 9 => "SIG",
        /// IKEv1: nonce, RFC 2408 section 3.13.
        NONCE_1 = 10 => "NONCE",
        /// IKEv1: notification, RFC 2408 section 3.14.
        N_1 = 11 => "N",
        /// IKEv1: delete, RFC 2408 section 3.15.
        D_1 = 12 => "D",
        /// IKEv1: vendor id, RFC 2408 section 3.16.
        VID_1 = 13 => "VID",
        /// IKEv1: attributes of a mode configuration, draft-dukes-ike-mode-cfg-02.
        ATTR_1 = 14 => "ATTR",
        /// GDOI: SA KEK (RFC 6407). What goes by that number between routers is mostly [`Self::NAT_D_1`] of a draft.
        SAK_1 = 15 => "SAK",
        /// GDOI: SA TEK (RFC 6407), or [`Self::NAT_OA_1`] of a draft.
        SAT_1 = 16 => "SAT",
        /// GDOI: key download, RFC 6407.
        KD_1 = 17 => "KD",
        /// GDOI: sequence number, RFC 6407.
        SEQ_1 = 18 => "SEQ",
        /// GDOI: proof of possession, RFC 3547.
        POP_1 = 19 => "POP",
        /// IKEv1: hash of an address and port, RFC 3947 section 3.2.
        NAT_D_1 = 20 => "NAT-D",
        /// IKEv1: original address, RFC 3947 section 5.2.
        NAT_OA_1 = 21 => "NAT-OA",
        /// GDOI: group associated policy, RFC 6407.
        GAP_1 = 22 => "GAP",
        /// Security association, RFC 7296 section 3.3.
        SA = 33 => "SA",
        /// Key exchange, RFC 7296 section 3.4.
        KE = 34 => "KE",
        /// Identification of the initiator, RFC 7296 section 3.5.
        IDI = 35 => "IDi",
        /// Identification of the responder, RFC 7296 section 3.5.
        IDR = 36 => "IDr",
        /// Certificate, RFC 7296 section 3.6.
        CERT = 37 => "CERT",
        /// Certificate request, RFC 7296 section 3.7.
        CERTREQ = 38 => "CERTREQ",
        /// Authentication, RFC 7296 section 3.8.
        AUTH = 39 => "AUTH",
        /// Nonce, RFC 7296 section 3.9.
        NONCE = 40 => "Nonce",
        /// Notification, RFC 7296 section 3.10.
        N = 41 => "N",
        /// Delete, RFC 7296 section 3.11.
        D = 42 => "D",
        /// Vendor id, RFC 7296 section 3.12.
        V = 43 => "V",
        /// Traffic selectors of the initiator, RFC 7296 section 3.13.
        TSI = 44 => "TSi",
        /// Traffic selectors of the responder, RFC 7296 section 3.13.
        TSR = 45 => "TSr",
        /// Encrypted and authenticated, RFC 7296 section 3.14.
        SK = 46 => "SK",
        /// Configuration, RFC 7296 section 3.15.
        CP = 47 => "CP",
        /// Extensible authentication, RFC 7296 section 3.16.
        EAP = 48 => "EAP",
        /// Generic secure password method, RFC 6467.
        GSPM = 49 => "GSPM",
        /// Group identification, RFC 9838.
        IDG = 50 => "IDg",
        /// Group security association, RFC 9838.
        GSA = 51 => "GSA",
        /// Key download, RFC 9838.
        KD = 52 => "KD",
        /// Encrypted and authenticated fragment, RFC 7383 section 2.5.
        SKF = 53 => "SKF",
        /// Puzzle solution, RFC 8019.
        PS = 54 => "PS",
        /// IKEv1: NAT-D of drafts before RFC 3947.
        NAT_D_DRAFT = 130 => "NAT-D",
        /// IKEv1: NAT-OA of drafts before RFC 3947.
        NAT_OA_DRAFT = 131 => "NAT-OA",
        /// IKEv1: a fragment of a message, as Cisco and Microsoft send it; no public specification.
        FRAGMENT_1 = 132 => "FRAG",
    }
}

impl PayloadType {
    /// Whether what it holds is encrypted: SK and SKF. No payload follows such a one.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::SK | Self::SKF)
    }
}

registry! {
    /// How a certificate is encoded (RFC 7296 section 3.6, RFC 2408 section 3.9).
    CertEncoding(u8) as "certificate encoding" {
        PKCS7 = 1 => "PKCS #7 wrapped X.509",
        PGP = 2 => "PGP",
        DNS = 3 => "DNS signed key",
        X509_SIGNATURE = 4 => "X.509 signature",
        X509_KEY_EXCHANGE = 5 => "X.509 key exchange",
        KERBEROS = 6 => "Kerberos token",
        CRL = 7 => "CRL",
        ARL = 8 => "ARL",
        SPKI = 9 => "SPKI",
        X509_ATTRIBUTE = 10 => "X.509 attribute",
        RAW_RSA = 11 => "raw RSA key",
        X509_HASH_URL = 12 => "hash and URL of X.509 certificate",
        X509_BUNDLE_HASH_URL = 13 => "hash and URL of X.509 bundle",
        OCSP = 14 => "OCSP content",
        RAW_PUBLIC_KEY = 15 => "raw public key",
    }
}

registry! {
    /// Group of a key exchange: RFC 2409 section 6, RFC 3526, RFC 5114, RFC 5903, RFC 6954, RFC 8031, RFC 9385 and
    /// draft-ietf-ipsecme-ikev2-mlkem. Transform type 4 of IKEv2, attribute 4 of IKEv1's first phase.
    DhGroup(u16) as "group" {
        NONE = 0 => "none",
        MODP_768 = 1 => "MODP-768",
        MODP_1024 = 2 => "MODP-1024",
        EC2N_155 = 3 => "EC2N-155",
        EC2N_185 = 4 => "EC2N-185",
        MODP_1536 = 5 => "MODP-1536",
        MODP_2048 = 14 => "MODP-2048",
        MODP_3072 = 15 => "MODP-3072",
        MODP_4096 = 16 => "MODP-4096",
        MODP_6144 = 17 => "MODP-6144",
        MODP_8192 = 18 => "MODP-8192",
        ECP_256 = 19 => "ECP-256",
        ECP_384 = 20 => "ECP-384",
        ECP_521 = 21 => "ECP-521",
        MODP_1024_160 = 22 => "MODP-1024-160",
        MODP_2048_224 = 23 => "MODP-2048-224",
        MODP_2048_256 = 24 => "MODP-2048-256",
        ECP_192 = 25 => "ECP-192",
        ECP_224 = 26 => "ECP-224",
        BRAINPOOL_P224R1 = 27 => "brainpoolP224r1",
        BRAINPOOL_P256R1 = 28 => "brainpoolP256r1",
        BRAINPOOL_P384R1 = 29 => "brainpoolP384r1",
        BRAINPOOL_P512R1 = 30 => "brainpoolP512r1",
        CURVE25519 = 31 => "Curve25519",
        CURVE448 = 32 => "Curve448",
        GOST3410_2012_256 = 33 => "GOST3410-2012-256",
        GOST3410_2012_512 = 34 => "GOST3410-2012-512",
        ML_KEM_512 = 35 => "ML-KEM-512",
        ML_KEM_768 = 36 => "ML-KEM-768",
        ML_KEM_1024 = 37 => "ML-KEM-1024",
    }
}
