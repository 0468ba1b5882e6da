//! Keys of a capture, from the views of the case that asked for them: as the tables of a Wireshark profile.

use std::fs;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::dissect::Dissection;

/// The tables beside a capture, in a folder of their own. Not for logs: they are what they are called.
#[derive(Clone, PartialEq, Eq)]
pub struct Tables {
    /// `esp_sa`.
    pub esp: String,
    /// `ikev2_decryption_table`.
    pub ike: String,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keys of {} ESP SAs and {} IKE SAs", self.esp.lines().count(), self.ike.lines().count())
    }
}

/// A line of the view `esp.keys`.
#[derive(Deserialize)]
struct EspKeys {
    src: String,
    dst: String,
    spi: String,
    encryption: String,
    icv_bits: u32,
    encryption_key: String,
    #[serde(default)]
    integrity: String,
    #[serde(default)]
    integrity_bits: u32,
    #[serde(default)]
    integrity_key: String,
}

/// A line of the view `ike.keys`.
#[derive(Deserialize)]
struct IkeKeys {
    proposal: String,
    #[serde(default)]
    sk_ai: String,
    #[serde(default)]
    sk_ar: String,
    sk_ei: String,
    sk_er: String,
}

/// The keys that the views in a folder of evidence tell; `None` where the case did not ask for any.
///
/// # Errors
/// A view that can not be read, or an algorithm without a name in the tables.
pub fn tables(evidence: &Path, packets: &[Dissection]) -> miette::Result<Option<Tables>> {
    let (esp, ike) = (rows::<EspKeys>(evidence, "esp.keys")?, rows::<IkeKeys>(evidence, "ike.keys")?);
    if esp.is_empty() && ike.is_empty() {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for row in &esp {
        let line = esp_line(row)?;
        // Both ends tell of the same SAs.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let spis = packets.iter().find_map(|read| {
        let (initiator, responder) = (read.uint("ike.initiator_spi")?, read.uint("ike.responder_spi")?);
        (responder != 0).then_some((initiator, responder))
    });
    let ike = match (ike.first(), spis) {
        (Some(row), Some(spis)) => ike_line(row, spis)?,
        _ => String::new(),
    };
    Ok(Some(Tables { esp: lines.concat(), ike }))
}

fn rows<T: DeserializeOwned>(evidence: &Path, view: &str) -> miette::Result<Vec<T>> {
    let Ok(entries) = fs::read_dir(evidence.join("state")) else { return Ok(Vec::new()) };
    let ending = format!("-{view}.json");
    let is_view = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(&ending));
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_view).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let read = || -> miette::Result<Vec<T>> {
            let text = fs::read_to_string(&path).into_diagnostic()?;
            serde_json::from_str(&text).into_diagnostic()
        };
        all.extend(read().wrap_err_with(|| format!("{} can not be read", path.display()))?);
    }
    Ok(all)
}

fn unknown(what: &str) -> miette::Report {
    miette!(help = "add its name to harness/src/record/keys.rs", "no name in Wireshark's tables is known for {what}")
}

fn esp_line(row: &EspKeys) -> miette::Result<String> {
    let EspKeys { src, dst, spi, encryption_key, integrity_key, .. } = row;
    let cipher = match (row.encryption.as_str(), row.icv_bits) {
        ("cbc(aes)", 0) => "AES-CBC [RFC3602]".to_owned(),
        ("rfc4106(gcm(aes))", bits) => format!("AES-GCM with {} octet ICV [RFC4106]", bits / 8),
        (other, bits) => return Err(unknown(&format!("{other} with {bits} bits"))),
    };
    let integrity = match (row.integrity.as_str(), row.integrity_bits) {
        ("", _) => "NULL",
        ("hmac(sha1)", 96) => "HMAC-SHA-1-96 [RFC2404]",
        ("hmac(sha256)", 128) => "HMAC-SHA-256-128 [RFC4868]",
        ("hmac(sha384)", 192) => "HMAC-SHA-384-192 [RFC4868]",
        ("hmac(sha512)", 256) => "HMAC-SHA-512-256 [RFC4868]",
        (other, bits) => return Err(unknown(&format!("{other} with {bits} bits"))),
    };
    let family = if src.contains(':') { "IPv6" } else { "IPv4" };
    Ok(format!(
        "\"{family}\",\"{src}\",\"{dst}\",\"{spi}\",\"{cipher}\",\"{encryption_key}\",\"{integrity}\",\"{integrity_key}\"\n"
    ))
}

fn ike_line(row: &IkeKeys, (initiator, responder): (u64, u64)) -> miette::Result<String> {
    let mut words = row.proposal.split('/');
    let cipher = words.next().unwrap_or_default();
    let integrity = words.next().filter(|word| !word.starts_with("PRF"));
    let cipher = match cipher.rsplit_once('_') {
        Some(("AES_CBC", bits)) => format!("AES-CBC-{bits} [RFC3602]"),
        Some(("AES_GCM_16", bits)) => format!("AES-GCM-{bits} with 16 octet ICV [RFC5282]"),
        _ => return Err(unknown(cipher)),
    };
    let integrity = match integrity {
        None => "NONE [RFC4306]",
        Some("HMAC_SHA1_96") => "HMAC_SHA1_96 [RFC2404]",
        Some("HMAC_SHA2_256_128") => "HMAC_SHA2_256_128 [RFC4868]",
        Some("HMAC_SHA2_384_192") => "HMAC_SHA2_384_192 [RFC4868]",
        Some("HMAC_SHA2_512_256") => "HMAC_SHA2_512_256 [RFC4868]",
        Some(other) => return Err(unknown(other)),
    };
    let [ei, er, ai, ar] = [&row.sk_ei, &row.sk_er, &row.sk_ai, &row.sk_ar].map(|key| key.to_lowercase());
    Ok(format!("{initiator:016x},{responder:016x},{ei},{er},\"{cipher}\",{ai},{ar},\"{integrity}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_become_tables_and_what_both_ends_tell_stands_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert!(tables(folder.path(), &[]).unwrap().is_none());
        fs::create_dir(&state).unwrap();
        let esp = r#"[{"src":"192.0.2.1","dst":"192.0.2.2","spi":"0x0a","encryption":"cbc(aes)","icv_bits":0,"encryption_key":"0x01",
                       "integrity":"hmac(sha256)","integrity_bits":128,"integrity_key":"0x02"},
                      {"src":"192.0.2.2","dst":"192.0.2.1","spi":"0x0b","encryption":"rfc4106(gcm(aes))","icv_bits":128,"encryption_key":"0x03"}]"#;
        fs::write(state.join("01-hub-esp.keys.json"), esp).unwrap();
        fs::write(state.join("02-spoke-esp.keys.json"), esp).unwrap();
        let found = tables(folder.path(), &[]).unwrap().unwrap();
        assert_eq!(
            found.esp,
            "\"IPv4\",\"192.0.2.1\",\"192.0.2.2\",\"0x0a\",\"AES-CBC [RFC3602]\",\"0x01\",\"HMAC-SHA-256-128 [RFC4868]\",\"0x02\"\n\
             \"IPv4\",\"192.0.2.2\",\"192.0.2.1\",\"0x0b\",\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x03\",\"NULL\",\"\"\n"
        );
        assert!(!format!("{found:?}").contains("0x01"));
        let odd = esp.replace("cbc(aes)", "cbc(des)");
        fs::write(state.join("03-hub-esp.keys.json"), odd).unwrap();
        assert!(tables(folder.path(), &[]).unwrap_err().to_string().contains("cbc(des)"));
    }

    #[test]
    fn proposals_become_names() {
        let row = |proposal: &str| IkeKeys {
            proposal: proposal.to_owned(),
            sk_ai: "AA".to_owned(),
            sk_ar: "AB".to_owned(),
            sk_ei: "EA".to_owned(),
            sk_er: "EB".to_owned(),
        };
        let line = |proposal: &str| ike_line(&row(proposal), (1, 2));
        assert_eq!(
            line("AES_CBC_128/HMAC_SHA2_256_128/PRF_AES128_XCBC/ECP_256").unwrap(),
            "0000000000000001,0000000000000002,ea,eb,\"AES-CBC-128 [RFC3602]\",aa,ab,\"HMAC_SHA2_256_128 [RFC4868]\"\n"
        );
        assert!(line("AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384").unwrap().contains("\"NONE [RFC4306]\""));
        assert!(line("3DES_CBC/HMAC_SHA1_96").is_err());
    }
}
