//! The part of the catalogue that is about IKE.

use super::catalogue::FieldKind::{Addr, Bytes, Flag, Text};
use super::catalogue::{Entry, U8, U16, U32, U64, entry};

/// Fields of IKE messages. A payload has those of its type.
pub(super) const IKE: &[Entry] = &[
    // The header: RFC 7296 section 3.1, RFC 2408 section 3.1.
    entry("ike.initiator_spi", U64, "SPI (IKEv1: cookie) of the IKE SA's initiator, RFC 7296 section 3.1"),
    entry("ike.responder_spi", U64, "SPI of its responder, 0 in the first message"),
    entry("ike.next_payload", U8, "type of the first payload (46 = SK, encrypted)"),
    entry("ike.version", U8, "major and minor version (0x20 = IKEv2)"),
    entry(
        "ike.exchange",
        U8,
        "34 IKE_SA_INIT, 35 IKE_AUTH, 36 CREATE_CHILD_SA, 37 INFORMATIONAL; IKEv1: 2 main, 4 aggressive, 32 quick",
    ),
    entry("ike.flags", U8, "the flags octet"),
    entry("ike.flags.I", Flag, "sent by the IKE SA's initiator (IKEv2)"),
    entry("ike.flags.V", Flag, "the sender can do a higher version (IKEv2)"),
    entry("ike.flags.R", Flag, "a response (IKEv2)"),
    entry("ike.flags.E", Flag, "everything behind the header is encrypted (IKEv1)"),
    entry("ike.flags.C", Flag, "the SA waits for a notification (IKEv1)"),
    entry("ike.flags.A", Flag, "authenticated but not encrypted (IKEv1)"),
    entry("ike.msg_id", U32, "Message ID"),
    entry("ike.length", U32, "octets of the whole message"),
    entry("ike.encrypted", Bytes, "what stands behind the header of an encrypted IKEv1 message"),
    // What a key opens: RFC 7296 section 3.14.
    entry("ike.sk.iv", Bytes, "initialisation vector of encrypted payloads that a key opens, RFC 7296 section 3.14"),
    entry("ike.sk.icv", Bytes, "integrity check value of them"),
    entry("ike.sk.icv_ok", Flag, "1 if the integrity check value is right"),
    entry("ike.sk.padding", Bytes, "padding, decrypted"),
    entry("ike.sk.pad_length", U8, "how many octets of padding there are"),
    // The generic header: RFC 7296 section 3.2, RFC 2408 section 3.2.
    entry("ike.payload[].type", U8, "type of the payload, as the one before it or the header says"),
    entry(
        "ike.payload[].next_payload",
        U8,
        "type of the next payload, 0 in the last; in SK and SKF of the first one inside",
    ),
    entry("ike.payload[].critical", Flag, "who does not know the type has to refuse the message (IKEv2)"),
    entry("ike.payload[].length", U16, "octets of the payload with its generic header"),
    // SA: RFC 7296 section 3.3; RFC 2408 sections 3.4 to 3.6, RFC 2407 section 4.6.1.
    entry("ike.payload[].doi", U32, "domain of interpretation, 1 = IPsec (IKEv1: SA, N, D)"),
    entry("ike.payload[].situation", U32, "situation, 1 = identity only (IKEv1: SA)"),
    entry("ike.payload[].proposal.count", U8, "number of proposals (SA)"),
    entry("ike.payload[].proposal[].more", U8, "2 if another proposal follows, 0 in the last"),
    entry("ike.payload[].proposal[].length", U16, "octets of the proposal"),
    entry("ike.payload[].proposal[].number", U8, "its number"),
    entry("ike.payload[].proposal[].protocol", U8, "1 IKE, 2 AH, 3 ESP"),
    entry("ike.payload[].proposal[].spi_size", U8, "octets of its SPI"),
    entry("ike.payload[].proposal[].transforms", U8, "how many transforms it announces"),
    entry("ike.payload[].proposal[].spi", Bytes, "SPI of who proposes"),
    entry("ike.payload[].proposal[].transform.count", U8, "how many transforms it has"),
    entry("ike.payload[].proposal[].transform[].more", U8, "3 if another transform follows, 0 in the last"),
    entry("ike.payload[].proposal[].transform[].length", U16, "octets of the transform"),
    entry("ike.payload[].proposal[].transform[].number", U8, "its number (IKEv1)"),
    entry("ike.payload[].proposal[].transform[].type", U8, "1 ENCR, 2 PRF, 3 INTEG, 4 KE, 5 ESN (IKEv2)"),
    entry(
        "ike.payload[].proposal[].transform[].id",
        U16,
        "which algorithm; the numbers of each type or protocol are its own",
    ),
    entry("ike.payload[].proposal[].transform[].attribute[].type", U16, "type of the attribute, 14 = key length"),
    entry("ike.payload[].proposal[].transform[].attribute[].length", U16, "octets of its value, in the long form"),
    entry("ike.payload[].proposal[].transform[].attribute[].value", U64, "its value, where it is of 8 octets or fewer"),
    entry("ike.payload[].proposal[].transform[].attribute[].data", Bytes, "its value as octets, in the long form"),
    entry("ike.payload[].proposal[].transform[].key_length", U64, "the attribute of that name, bits"),
    // RFC 2409 appendix A.
    entry(
        "ike.payload[].proposal[].transform[].encryption",
        U64,
        "encryption algorithm (IKEv1, first phase): 5 3DES, 7 AES",
    ),
    entry("ike.payload[].proposal[].transform[].hash", U64, "hash algorithm (IKEv1, first phase): 2 SHA, 4 SHA2-256"),
    entry(
        "ike.payload[].proposal[].transform[].auth_method",
        U64,
        "authentication method (IKEv1, first phase): 1 PSK, 3 RSA",
    ),
    entry("ike.payload[].proposal[].transform[].group", U64, "group of the key exchange (IKEv1)"),
    entry("ike.payload[].proposal[].transform[].life_type", U64, "1 seconds, 2 kilobytes (IKEv1)"),
    entry("ike.payload[].proposal[].transform[].life_duration", U64, "lifetime in that unit (IKEv1)"),
    // RFC 2407 section 4.5.
    entry(
        "ike.payload[].proposal[].transform[].encapsulation",
        U64,
        "1 tunnel, 2 transport, 3 and 4 the same in UDP (IKEv1)",
    ),
    entry("ike.payload[].proposal[].transform[].auth_algorithm", U64, "authentication algorithm (IKEv1, second phase)"),
    // KE: RFC 7296 section 3.4.
    entry("ike.payload[].group", U16, "group of the key exchange (IKEv2: KE)"),
    // Every body without a structure, and what is left of the others.
    entry("ike.payload[].data", Bytes, "key, certificate, signature, hash, nonce, data of a notification, cipher text"),
    // ID, NAT-OA: RFC 7296 section 3.5; RFC 2407 section 4.6.2, RFC 3947 section 5.2.
    entry("ike.payload[].id_type", U8, "1 IPv4 address, 2 FQDN, 3 mail address, 5 IPv6 address, 9 DN, 11 key id"),
    entry("ike.payload[].id_data", Bytes, "what identifies, as octets"),
    entry("ike.payload[].id_addr", Addr, "what identifies, where it is an address"),
    entry("ike.payload[].id_text", Text, "what identifies, where it is a name"),
    entry("ike.payload[].protocol", U8, "N and D: 1 IKE, 2 AH, 3 ESP; IKEv1 ID: IP protocol"),
    entry("ike.payload[].port", U16, "port (IKEv1: ID)"),
    // CERT, CERTREQ, CR: RFC 7296 sections 3.6 and 3.7.
    entry("ike.payload[].encoding", U8, "encoding of the certificate, 4 = X.509 signature"),
    // AUTH: RFC 7296 section 3.8.
    entry("ike.payload[].auth_method", U8, "1 RSA, 2 shared key, 9 to 11 ECDSA, 14 digital signature"),
    // N: RFC 7296 section 3.10, RFC 2408 section 3.14.
    entry("ike.payload[].spi_size", U8, "octets of each SPI (N, D)"),
    entry("ike.payload[].notify_type", U16, "type of the notification, below 16384 an error"),
    entry("ike.payload[].spi", Bytes, "SPI of the SA that is meant (N)"),
    // D: RFC 7296 section 3.11, RFC 2408 section 3.15.
    entry("ike.payload[].spi_count", U16, "how many SPIs are announced (D)"),
    entry("ike.payload[].spis", Bytes, "the SPIs one after the other (D)"),
    // V: RFC 7296 section 3.12, RFC 2408 section 3.16.
    entry("ike.payload[].vendor", Text, "who sends this vendor id or what it announces, where that is known"),
    // TSi, TSr: RFC 7296 section 3.13.
    entry("ike.payload[].selectors", U8, "how many traffic selectors are announced"),
    entry("ike.payload[].ts.count", U8, "how many there are"),
    entry("ike.payload[].ts[].type", U8, "7 IPv4 addresses, 8 IPv6 addresses"),
    entry("ike.payload[].ts[].protocol", U8, "IP protocol, 0 for any (47 = GRE)"),
    entry("ike.payload[].ts[].length", U16, "octets of the selector"),
    entry("ike.payload[].ts[].start_port", U16, "lowest port"),
    entry("ike.payload[].ts[].end_port", U16, "highest port"),
    entry("ike.payload[].ts[].start_addr", Addr, "lowest address"),
    entry("ike.payload[].ts[].end_addr", Addr, "highest address"),
    entry("ike.payload[].ts[].data", Bytes, "a selector of another type, behind its ports"),
    // SKF: RFC 7383 section 2.5.
    entry("ike.payload[].fragment", U16, "number of the fragment, from 1 (SKF)"),
    entry("ike.payload[].fragments", U16, "how many fragments the message has (SKF)"),
    // CP: RFC 7296 section 3.15; ATTR: draft-dukes-ike-mode-cfg-02.
    entry("ike.payload[].cfg_type", U8, "1 request, 2 reply, 3 set, 4 acknowledgement (CP, ATTR)"),
    entry("ike.payload[].cfg_id", U16, "identifier (ATTR)"),
    entry("ike.payload[].attribute[].type", U16, "type of the attribute (CP, ATTR)"),
    entry("ike.payload[].attribute[].length", U16, "octets of its value"),
    entry("ike.payload[].attribute[].value", U64, "its value, where it is of 8 octets or fewer"),
    entry("ike.payload[].attribute[].data", Bytes, "its value as octets"),
    // EAP: RFC 7296 section 3.16, RFC 3748 section 4.
    entry("ike.payload[].eap_code", U8, "1 request, 2 response, 3 success, 4 failure (EAP)"),
    entry("ike.payload[].eap_id", U8, "identifier (EAP)"),
    entry("ike.payload[].eap_length", U16, "octets of the EAP packet, as it says"),
    entry("ike.payload[].eap_type", U8, "type (EAP)"),
];
