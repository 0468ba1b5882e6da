//! Code points of IKEv1: RFC 2407 (the IPsec DOI), RFC 2408, RFC 2409 appendix A and what IANA has added to them.

use crate::code::registry;

registry! {
    /// Domain of interpretation (RFC 2408 section 3.4): whose numbers the rest of a payload is made of.
    Doi(u32) as "DOI" {
        ISAKMP = 0 => "ISAKMP",
        IPSEC = 1 => "IPSEC",
        GDOI = 2 => "GDOI",
    }
}

/// Situation of the IPsec DOI (RFC 2407 section 4.2): bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Situation(pub u32);

impl Situation {
    /// SIT_IDENTITY_ONLY, the only one in use.
    pub const IDENTITY_ONLY: Self = Self(1);
    /// SIT_SECRECY: labels follow.
    pub const SECRECY: Self = Self(2);
    /// SIT_INTEGRITY: labels follow.
    pub const INTEGRITY: Self = Self(4);
}

registry! {
    /// Protocol of a proposal, notification or delete (RFC 2407 section 4.4.1).
    Protocol(u8) as "protocol" {
        NONE = 0 => "none",
        ISAKMP = 1 => "ISAKMP",
        AH = 2 => "AH",
        ESP = 3 => "ESP",
        IPCOMP = 4 => "IPCOMP",
    }
}

impl Protocol {
    /// The name of the transform `id` of this protocol.
    pub const fn id_name(self, id: u8) -> Option<&'static str> {
        match self {
            Self::ISAKMP => IsakmpTransform(id).name(),
            Self::AH => AhTransform(id).name(),
            Self::ESP => EspTransform(id).name(),
            Self::IPCOMP => IpcompTransform(id).name(),
            _ => None,
        }
    }
}

registry! {
    /// Transform of ISAKMP (RFC 2407 section 4.4.2).
    IsakmpTransform(u8) as "transform" {
        KEY_IKE = 1,
    }
}

registry! {
    /// Transform of AH (RFC 2407 section 4.4.3, RFC 3566, RFC 4868).
    AhTransform(u8) as "transform" {
        AH_MD5 = 2,
        AH_SHA = 3,
        AH_DES = 4,
        AH_SHA2_256 = 5,
        AH_SHA2_384 = 6,
        AH_SHA2_512 = 7,
        AH_RIPEMD = 8,
        AH_AES_XCBC_MAC = 9,
        AH_RSA = 10,
        AH_AES_128_GMAC = 11,
        AH_AES_192_GMAC = 12,
        AH_AES_256_GMAC = 13,
    }
}

registry! {
    /// Transform of ESP (RFC 2407 section 4.4.4 and IANA).
    EspTransform(u8) as "transform" {
        ESP_DES_IV64 = 1,
        ESP_DES = 2,
        ESP_3DES = 3,
        ESP_RC5 = 4,
        ESP_IDEA = 5,
        ESP_CAST = 6,
        ESP_BLOWFISH = 7,
        ESP_3IDEA = 8,
        ESP_DES_IV32 = 9,
        ESP_RC4 = 10,
        ESP_NULL = 11,
        ESP_AES_CBC = 12,
        ESP_AES_CTR = 13,
        ESP_AES_CCM_8 = 14,
        ESP_AES_CCM_12 = 15,
        ESP_AES_CCM_16 = 16,
        ESP_AES_GCM_8 = 18,
        ESP_AES_GCM_12 = 19,
        ESP_AES_GCM_16 = 20,
        ESP_SEED_CBC = 21,
        ESP_CAMELLIA = 22,
        ESP_NULL_AUTH_AES_GMAC = 23,
    }
}

registry! {
    /// Transform of IPCOMP (RFC 2407 section 4.4.5).
    IpcompTransform(u8) as "transform" {
        IPCOMP_OUI = 1,
        IPCOMP_DEFLATE = 2,
        IPCOMP_LZS = 3,
        IPCOMP_LZJH = 4,
    }
}

registry! {
    /// Attribute of a transform of the first phase (RFC 2409 appendix A).
    Attribute(u16) as "attribute" {
        ENCRYPTION_ALGORITHM = 1 => "Encryption Algorithm",
        HASH_ALGORITHM = 2 => "Hash Algorithm",
        AUTHENTICATION_METHOD = 3 => "Authentication Method",
        GROUP_DESCRIPTION = 4 => "Group Description",
        GROUP_TYPE = 5 => "Group Type",
        GROUP_PRIME = 6 => "Group Prime",
        GROUP_GENERATOR_ONE = 7 => "Group Generator One",
        GROUP_GENERATOR_TWO = 8 => "Group Generator Two",
        GROUP_CURVE_A = 9 => "Group Curve A",
        GROUP_CURVE_B = 10 => "Group Curve B",
        LIFE_TYPE = 11 => "Life Type",
        LIFE_DURATION = 12 => "Life Duration",
        PRF = 13 => "PRF",
        KEY_LENGTH = 14 => "Key Length",
        FIELD_SIZE = 15 => "Field Size",
        GROUP_ORDER = 16 => "Group Order",
    }
}

registry! {
    /// Attribute of a transform of the second phase (RFC 2407 section 4.5).
    IpsecAttribute(u16) as "attribute" {
        SA_LIFE_TYPE = 1 => "SA Life Type",
        SA_LIFE_DURATION = 2 => "SA Life Duration",
        GROUP_DESCRIPTION = 3 => "Group Description",
        ENCAPSULATION_MODE = 4 => "Encapsulation Mode",
        AUTHENTICATION_ALGORITHM = 5 => "Authentication Algorithm",
        KEY_LENGTH = 6 => "Key Length",
        KEY_ROUNDS = 7 => "Key Rounds",
        COMPRESS_DICTIONARY_SIZE = 8 => "Compress Dictionary Size",
        COMPRESS_PRIVATE_ALGORITHM = 9 => "Compress Private Algorithm",
        ECN_TUNNEL = 10 => "ECN Tunnel",
        EXTENDED_SEQUENCE_NUMBER = 11 => "Extended (64-bit) Sequence Number",
        AUTHENTICATION_KEY_LENGTH = 12 => "Authentication Key Length",
        SIGNATURE_ENCODING = 13 => "Signature Encoding Algorithm",
    }
}

registry! {
    /// Value of [`Attribute::ENCRYPTION_ALGORITHM`].
    Encryption(u16) as "encryption" {
        DES_CBC = 1 => "DES-CBC",
        IDEA_CBC = 2 => "IDEA-CBC",
        BLOWFISH_CBC = 3 => "Blowfish-CBC",
        RC5_R16_B64_CBC = 4 => "RC5-R16-B64-CBC",
        TRIPLE_DES_CBC = 5 => "3DES-CBC",
        CAST_CBC = 6 => "CAST-CBC",
        AES_CBC = 7 => "AES-CBC",
        CAMELLIA_CBC = 8 => "CAMELLIA-CBC",
    }
}

registry! {
    /// Value of [`Attribute::HASH_ALGORITHM`].
    Hash(u16) as "hash" {
        MD5 = 1 => "MD5",
        SHA = 2 => "SHA",
        TIGER = 3 => "Tiger",
        SHA2_256 = 4 => "SHA2-256",
        SHA2_384 = 5 => "SHA2-384",
        SHA2_512 = 6 => "SHA2-512",
    }
}

registry! {
    /// Value of [`Attribute::AUTHENTICATION_METHOD`] (64221 and above: hybrid authentication and XAUTH, drafts).
    AuthMethod(u16) as "authentication method" {
        PSK = 1 => "pre-shared key",
        DSS = 2 => "DSS signatures",
        RSA = 3 => "RSA signatures",
        RSA_ENCRYPTION = 4 => "encryption with RSA",
        RSA_ENCRYPTION_REVISED = 5 => "revised encryption with RSA",
        ECDSA_256 = 9 => "ECDSA with SHA-256 on P-256",
        ECDSA_384 = 10 => "ECDSA with SHA-384 on P-384",
        ECDSA_512 = 11 => "ECDSA with SHA-512 on P-521",
        HYBRID_INIT_RSA = 64221 => "HybridInitRSA",
        HYBRID_RESP_RSA = 64222 => "HybridRespRSA",
        XAUTH_INIT_PSK = 65001 => "XAUTHInitPreShared",
        XAUTH_RESP_PSK = 65002 => "XAUTHRespPreShared",
        XAUTH_INIT_DSS = 65003 => "XAUTHInitDSS",
        XAUTH_RESP_DSS = 65004 => "XAUTHRespDSS",
        XAUTH_INIT_RSA = 65005 => "XAUTHInitRSA",
        XAUTH_RESP_RSA = 65006 => "XAUTHRespRSA",
    }
}

registry! {
    /// Value of [`Attribute::LIFE_TYPE`] and [`IpsecAttribute::SA_LIFE_TYPE`].
    LifeType(u16) as "life type" {
        SECONDS = 1 => "seconds",
        KILOBYTES = 2 => "kilobytes",
    }
}

registry! {
    /// Value of [`IpsecAttribute::ENCAPSULATION_MODE`] (3 and 4: RFC 3947 section 5.1).
    EncapsulationMode(u16) as "encapsulation mode" {
        TUNNEL = 1 => "tunnel",
        TRANSPORT = 2 => "transport",
        UDP_TUNNEL = 3 => "tunnel in UDP",
        UDP_TRANSPORT = 4 => "transport in UDP",
    }
}

registry! {
    /// Type of a notification (RFC 2408 section 3.14.1, RFC 2407 section 4.6.3; 36136 and 36137: RFC 3706 section 5.3).
    NotifyType(u16) as "notify type" {
        INVALID_PAYLOAD_TYPE = 1 => "INVALID-PAYLOAD-TYPE",
        DOI_NOT_SUPPORTED = 2 => "DOI-NOT-SUPPORTED",
        SITUATION_NOT_SUPPORTED = 3 => "SITUATION-NOT-SUPPORTED",
        INVALID_COOKIE = 4 => "INVALID-COOKIE",
        INVALID_MAJOR_VERSION = 5 => "INVALID-MAJOR-VERSION",
        INVALID_MINOR_VERSION = 6 => "INVALID-MINOR-VERSION",
        INVALID_EXCHANGE_TYPE = 7 => "INVALID-EXCHANGE-TYPE",
        INVALID_FLAGS = 8 => "INVALID-FLAGS",
        INVALID_MESSAGE_ID = 9 => "INVALID-MESSAGE-ID",
        INVALID_PROTOCOL_ID = 10 => "INVALID-PROTOCOL-ID",
        INVALID_SPI = 11 => "INVALID-SPI",
        INVALID_TRANSFORM_ID = 12 => "INVALID-TRANSFORM-ID",
        ATTRIBUTES_NOT_SUPPORTED = 13 => "ATTRIBUTES-NOT-SUPPORTED",
        NO_PROPOSAL_CHOSEN = 14 => "NO-PROPOSAL-CHOSEN",
        BAD_PROPOSAL_SYNTAX = 15 => "BAD-PROPOSAL-SYNTAX",
        PAYLOAD_MALFORMED = 16 => "PAYLOAD-MALFORMED",
        INVALID_KEY_INFORMATION = 17 => "INVALID-KEY-INFORMATION",
        INVALID_ID_INFORMATION = 18 => "INVALID-ID-INFORMATION",
        INVALID_CERT_ENCODING = 19 => "INVALID-CERT-ENCODING",
        INVALID_CERTIFICATE = 20 => "INVALID-CERTIFICATE",
        CERT_TYPE_UNSUPPORTED = 21 => "CERT-TYPE-UNSUPPORTED",
        INVALID_CERT_AUTHORITY = 22 => "INVALID-CERT-AUTHORITY",
        INVALID_HASH_INFORMATION = 23 => "INVALID-HASH-INFORMATION",
        AUTHENTICATION_FAILED = 24 => "AUTHENTICATION-FAILED",
        INVALID_SIGNATURE = 25 => "INVALID-SIGNATURE",
        ADDRESS_NOTIFICATION = 26 => "ADDRESS-NOTIFICATION",
        NOTIFY_SA_LIFETIME = 27 => "NOTIFY-SA-LIFETIME",
        CERTIFICATE_UNAVAILABLE = 28 => "CERTIFICATE-UNAVAILABLE",
        UNSUPPORTED_EXCHANGE_TYPE = 29 => "UNSUPPORTED-EXCHANGE-TYPE",
        UNEQUAL_PAYLOAD_LENGTHS = 30 => "UNEQUAL-PAYLOAD-LENGTHS",
        CONNECTED = 16384 => "CONNECTED",
        RESPONDER_LIFETIME = 24576 => "RESPONDER-LIFETIME",
        REPLAY_STATUS = 24577 => "REPLAY-STATUS",
        INITIAL_CONTACT = 24578 => "INITIAL-CONTACT",
        R_U_THERE = 36136 => "R-U-THERE",
        R_U_THERE_ACK = 36137 => "R-U-THERE-ACK",
    }
}

impl NotifyType {
    /// Whether it says that something went wrong (RFC 2408 section 3.14.1).
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}
