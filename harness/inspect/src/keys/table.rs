//! Texts with keys, row by row. A row says by itself which of the formats it is in, so they may be mixed.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::{
    algorithm::{AUTHENTICATIONS, Authentication, ENCRYPTIONS, Encryption},
    open::{EspSa, Protection, SequenceNumbers},
    selector::{Addresses, Spis},
};

/// What a row holds.
pub(super) enum Row {
    /// An ESP association, and the packets it is for.
    Esp { source: Addresses, destination: Addresses, spis: Spis, sa: EspSa },
    /// Keys of an IKEv2 association, of one direction or both.
    Ike2 { spi_i: u64, spi_r: u64, initiator: Option<Protection>, responder: Option<Protection> },
}

/// What is wrong with a row. It never quotes a key.
#[derive(Debug)]
pub(super) struct Wrong {
    /// What was found and what was expected.
    pub(super) problem: String,
    /// What to do.
    pub(super) help: String,
}

impl Wrong {
    fn new(problem: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { problem: problem.into(), help: help.into() }
    }
}

/// Reads a row; `None` for a comment or nothing.
pub(super) fn row(text: &str) -> Result<Option<Row>, Wrong> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let row = if let Some(row) = text.strip_prefix("ikev2 ") {
        tcpdump_ike(row)
    } else if text.starts_with("0x") && text.split_ascii_whitespace().next().is_some_and(|word| word.contains('@')) {
        tcpdump_esp(text)
    } else {
        let columns = columns(text)?;
        match columns[0].to_ascii_uppercase().as_str() {
            "IPV4" => esp_sa(&columns, Some(false)),
            "IPV6" => esp_sa(&columns, Some(true)),
            "ANY" => esp_sa(&columns, None),
            first if first.len() == 16 && first.bytes().all(|octet| octet.is_ascii_hexdigit()) => ikev2_table(&columns),
            _ => Err(Wrong::new(
                "a row of no format that is known",
                "a row of esp_sa starts with \"IPv4\" or \"IPv6\", one of ikev2_decryption_table with the initiator's SPI \
                 in 16 hexadecimal digits, one for tcpdump with 0xSPI@ADDRESS or with ikev2",
            )),
        }
    };
    row.map(Some)
}

/// Splits a row of one of Wireshark's tables, whose texts are in quotes.
fn columns(text: &str) -> Result<Vec<Zeroizing<String>>, Wrong> {
    let mut columns = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let (column, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| {
                let column = columns.len() + 1;
                Wrong::new(format!("column {column} has no quote at its end"), "put a text into two quotes")
            })?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        columns.push(Zeroizing::new(column.trim().to_owned()));
        rest = behind.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Ok(columns),
            None => {
                let column = columns.len();
                return Err(Wrong::new(format!("column {column} goes on behind its quote"), "part columns by a comma"));
            }
        }
    }
}

const ESP_SA_HELP: &str = "expected \"IPv4\",source,destination,SPI,encryption,key,authentication,key, and of newer Wireshark \
                           \"32-bit\" or \"64-bit\" and the upper half of the sequence number";

fn esp_sa(columns: &[Zeroizing<String>], v6: Option<bool>) -> Result<Row, Wrong> {
    let [_, source, destination, spi, encryption, key, authentication, authentication_key, numbers @ ..] = columns
    else {
        return Err(Wrong::new(format!("a row of esp_sa with {} columns", columns.len()), ESP_SA_HELP));
    };
    let address = |text: &str, column| {
        let problem = |problem| Wrong::new(format!("column {column} of esp_sa: {problem}"), Addresses::HELP);
        Addresses::parse(text, v6).map_err(problem)
    };
    let source = address(source, 2)?;
    let destination = address(destination, 3)?;
    let spis = Spis::parse(spi).ok_or_else(|| {
        Wrong::new("column 4 of esp_sa is no SPI", "expected 0x and up to 8 hexadecimal digits, or * for any")
    })?;
    let (mut encryption, bits) = named_encryption(encryption, "column 5 of esp_sa")?;
    let mut authentication = named_authentication(authentication, "column 7 of esp_sa")?;
    if encryption.seals() && authentication.hash.is_none() && authentication.icv > 0 {
        // Wireshark's older tables have the length of the tag in the place of an authentication.
        encryption = encryption.with_icv(authentication.icv).ok_or_else(|| {
            let problem = "column 7 of esp_sa is no length of tag that the encryption has";
            Wrong::new(problem, "expected ANY 64, 96 or 128 bit authentication, or NULL")
        })?;
        authentication = Authentication::NONE;
    }
    let key = octets(key, "column 6 of esp_sa")?;
    let authentication_key = octets(authentication_key, "column 8 of esp_sa")?;
    let protection = protection(
        (encryption, bits, &key, "column 6 of esp_sa"),
        (authentication, &authentication_key, "column 8 of esp_sa"),
    )?;
    Ok(Row::Esp { source, destination, spis, sa: EspSa::new(protection, sequence_numbers(numbers)?) })
}

fn sequence_numbers(columns: &[Zeroizing<String>]) -> Result<SequenceNumbers, Wrong> {
    let wrong = |column| Wrong::new(format!("column {column} of esp_sa is no sequence number's"), ESP_SA_HELP);
    let high = match columns.get(1).map(|text| text.trim()).unwrap_or_default() {
        "" => 0,
        text => u32::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|_| wrong(10))?,
    };
    match columns.first().map(|text| text.trim()).unwrap_or_default() {
        "" => Ok(SequenceNumbers::Unknown),
        "32-bit" => Ok(SequenceNumbers::Short),
        "64-bit" => Ok(SequenceNumbers::Extended(high)),
        _ => Err(wrong(9)),
    }
}

fn ikev2_table(columns: &[Zeroizing<String>]) -> Result<Row, Wrong> {
    let [spi_i, spi_r, ei, er, encryption, ai, ar, authentication] = columns else {
        return Err(Wrong::new(
            format!("a row of ikev2_decryption_table with {} columns", columns.len()),
            "expected the SPIs of initiator and responder, SK_ei, SK_er, encryption, SK_ai, SK_ar, integrity",
        ));
    };
    let spi = |text: &str, column| {
        u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16).ok_or_else(|| {
            let problem = format!("column {column} of ikev2_decryption_table is no SPI");
            Wrong::new(problem, "expected 16 hexadecimal digits")
        })
    };
    let (spi_i, spi_r) = (spi(spi_i, 1)?, spi(spi_r, 2)?);
    let (encryption, bits) = named_encryption(encryption, "column 5 of ikev2_decryption_table")?;
    let authentication = named_authentication(authentication, "column 8 of ikev2_decryption_table")?;
    let direction = |e: &str, e_column: &str, a: &str, a_column: &str| {
        let (e, a) = (hexadecimal(e, e_column)?, hexadecimal(a, a_column)?);
        protection((encryption, bits, &e, e_column), (authentication, &a, a_column))
    };
    let initiator =
        direction(ei, "column 3 (SK_ei) of ikev2_decryption_table", ai, "column 6 (SK_ai) of ikev2_decryption_table")?;
    let responder =
        direction(er, "column 4 (SK_er) of ikev2_decryption_table", ar, "column 7 (SK_ar) of ikev2_decryption_table")?;
    Ok(Row::Ike2 { spi_i, spi_r, initiator: Some(initiator), responder: Some(responder) })
}

const TCPDUMP_HELP: &str = "expected for ESP: 0xSPI@ADDRESS ALGORITHM:KEY, and for IKEv2: ikev2 I|R 0xSPIi 0xSPIr INTEGRITY:KEY ENCRYPTION:KEY";

/// `0xSPI@DESTINATION 3des-cbc-hmac96:0xKEY`; tcpdump takes no key for the check value, so it is not checked.
fn tcpdump_esp(text: &str) -> Result<Row, Wrong> {
    let wrong = |problem: &str| Wrong::new(problem, TCPDUMP_HELP);
    let (place, secret) = text.split_once(char::is_whitespace).ok_or_else(|| wrong("a row without an algorithm"))?;
    let (spi, address) = place.split_once('@').ok_or_else(|| wrong("a row without an address"))?;
    let spis = Spis::parse(spi).ok_or_else(|| wrong("what is before the @ is no SPI"))?;
    let address: IpAddr = address.parse().map_err(|_| wrong("what is behind the @ is no address"))?;
    let (name, key) = secret.trim().split_once(':').ok_or_else(|| wrong("an algorithm without a key"))?;
    let (name, authentication) = match name.strip_suffix("-hmac96") {
        Some(name) => (name, Authentication::unchecked(12)),
        None => (name, Authentication::NONE),
    };
    let (encryption, bits) = tcpdump_encryption(name)?;
    let key = octets(key, "the key")?;
    let protection = protection((encryption, bits, &key, "the key"), (authentication, &[], "no key"))?;
    let sa = EspSa::new(protection, SequenceNumbers::Unknown);
    Ok(Row::Esp { source: Addresses::any(), destination: Addresses::one(address), spis, sa })
}

/// `I 0xSPIi 0xSPIr sha1:0xKEY aes128:0xKEY`, behind the word `ikev2`.
fn tcpdump_ike(text: &str) -> Result<Row, Wrong> {
    let wrong = |problem: &str| Wrong::new(problem, TCPDUMP_HELP);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [who, spi_i, spi_r, authentication, encryption] = words[..] else {
        return Err(wrong("a row of ikev2 that has not six words"));
    };
    let spi = |text: &str| {
        let digits = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        digits.ok_or_else(|| wrong("an SPI that is no number of 64 bits"))
    };
    let (spi_i, spi_r) = (spi(spi_i)?, spi(spi_r)?);
    let parts = |text| str::split_once(text, ':').ok_or_else(|| wrong("an algorithm without a key"));
    let ((a_name, a_key), (e_name, e_key)) = (parts(authentication)?, parts(encryption)?);
    // tcpdump writes the hash alone and means its truncation to 96 bits.
    let authentication = named_authentication(&format!("HMAC-{a_name}-96"), "the integrity")?;
    let (encryption, bits) = tcpdump_encryption(e_name)?;
    let (a_key, e_key) = (octets(a_key, "the first key")?, octets(e_key, "the second key")?);
    let keys = protection((encryption, bits, &e_key, "the second key"), (authentication, &a_key, "the first key"))?;
    let (initiator, responder) = match who {
        "I" => (Some(keys), None),
        "R" => (None, Some(keys)),
        _ => return Err(wrong("the second word is neither I nor R")),
    };
    Ok(Row::Ike2 { spi_i, spi_r, initiator, responder })
}

/// A cipher in tcpdump's way of writing: `aes256-cbc`, `aes128`, `3des-cbc`.
fn tcpdump_encryption(name: &str) -> Result<(Encryption, Option<usize>), Wrong> {
    let bits = name.strip_prefix("aes").map(|rest| rest.split('-').next().unwrap_or_default());
    match bits {
        Some(bits @ ("128" | "192" | "256")) => named_encryption(&format!("AES-CBC-{bits}"), "the algorithm"),
        _ => named_encryption(name, "the algorithm"),
    }
}

fn named_encryption(name: &str, place: &str) -> Result<(Encryption, Option<usize>), Wrong> {
    let wrong = || Wrong::new(format!("{place} is no encryption that is known"), format!("expected {ENCRYPTIONS}"));
    Encryption::named(name).ok_or_else(wrong)
}

fn named_authentication(name: &str, place: &str) -> Result<Authentication, Wrong> {
    let wrong = || Wrong::new(format!("{place} is no integrity that is known"), format!("expected {AUTHENTICATIONS}"));
    Authentication::named(name).ok_or_else(wrong)
}

fn protection(
    (encryption, bits, key, place): (Encryption, Option<usize>, &[u8], &str),
    (authentication, authentication_key, authentication_place): (Authentication, &[u8], &str),
) -> Result<Protection, Wrong> {
    let wrong = |place: &str, problem: String| {
        Wrong::new(format!("{place}: {problem}"), "check that algorithm and key belong together")
    };
    encryption.check_key(key.len(), bits).map_err(|problem| wrong(place, problem))?;
    authentication.check_key(authentication_key.len()).map_err(|problem| wrong(authentication_place, problem))?;
    Protection::new(encryption, key, authentication, authentication_key)
        .ok_or_else(|| wrong(place, "the key does not fit the algorithm".to_owned()))
}

/// A key behind `0x` in hexadecimal digits, or else as the text itself, as in Wireshark and tcpdump.
fn octets(text: &str, place: &str) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => hexadecimal(digits, place),
        None => Ok(Zeroizing::new(text.as_bytes().to_vec())),
    }
}

fn hexadecimal(digits: &str, place: &str) -> Result<Zeroizing<Vec<u8>>, Wrong> {
    let digits = digits.strip_prefix("0x").unwrap_or(digits).as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    // The room is made in advance: what grew would leave pieces of the key behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks(2) {
        match *pair {
            [high, low] => match (nibble(high), nibble(low)) {
                (Some(high), Some(low)) => octets.push(high << 4 | low),
                _ => return Err(Wrong::new(format!("{place} is not hexadecimal"), "expected digits 0-9 and a-f")),
            },
            _ => {
                let problem = format!("{place} has an odd number of digits, {}", digits.len());
                return Err(Wrong::new(problem, "expected two digits for each octet"));
            }
        }
    }
    Ok(octets)
}
