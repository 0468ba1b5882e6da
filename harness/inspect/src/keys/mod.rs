//! Keys from tables, and what they open: ESP packets and IKEv2's encrypted payloads.
//!
//! The tables are those of Wireshark, so one profile serves both programs, and tcpdump's:
//!
//! ```text
//! esp_sa                  "IPv4","192.0.2.1","192.0.2.11","0x0a0b0c0d","AES-CBC [RFC3602]","0x00..","HMAC-SHA-1-96 [RFC2404]","0x00.."
//! ikev2_decryption_table  0011223344556677,8899aabbccddeeff,SK_ei,SK_er,"AES-CBC-256 [RFC3602]",SK_ai,SK_ar,"HMAC_SHA2_256_128 [RFC4868]"
//! tcpdump -E file         0x0a0b0c0d@192.0.2.11 3des-cbc-hmac96:0x00..
//!                         ikev2 I 0x0011223344556677 0x8899aabbccddeeff sha1:0x00.. aes128:0x00..
//! ```
//!
//! Beyond Wireshark's names, `esp_sa` may have AES-CCM and AES-XCBC-MAC-96, and both tables ChaCha20 with Poly1305.
//! What one of them has is also read from a capture's Decryption Secrets Blocks ([`Secrets`]): rows of `esp_sa` in the
//! registered type, rows of `ikev2_decryption_table` in the lab's own.
//!
//! Key material is overwritten when it is dropped, and nothing here prints it: not `Debug`, and no error.

use std::{collections::HashMap, fmt, fs, io, io::Read, net::IpAddr, path::Path};

use zeroize::Zeroizing;

use crate::capture::Secrets;
use selector::{Addresses, Spis};
use table::Row;

mod algorithm;
mod cipher;
mod integrity;
mod open;
mod selector;
mod table;

pub use open::{EspSa, Ike2Sa, OpenError, Opened};

/// The longest table that is read, in octets.
pub const LONGEST_TABLE: usize = 16 << 20;

/// How many rows are kept at most: each costs some kilobytes of key schedules.
pub const MOST_ROWS: usize = 1 << 16;

/// The names of the tables in a folder, which is a Wireshark profile.
const TABLES: [&str; 2] = ["esp_sa", "ikev2_decryption_table"];

/// Why keys can not be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}: {problem}", place(.path, *.line))]
#[diagnostic(help("{help}"))]
pub struct KeysError {
    /// The file, or the capture that holds them.
    pub path: String,
    /// The line in it, from 1; nought where it is about all of them.
    pub line: usize,
    /// What is wrong, without any key.
    pub problem: String,
    /// What to do.
    pub help: String,
}

fn place(path: &str, line: usize) -> String {
    if line == 0 { path.to_owned() } else { format!("{path}:{line}") }
}

/// Keys of ESP and IKEv2 associations.
#[derive(Default)]
pub struct Keys {
    esp: Vec<EspRow>,
    /// Places in `esp` of the rows for one SPI, and of those for many.
    by_spi: HashMap<u32, Vec<usize>>,
    by_pattern: Vec<usize>,
    ike2: HashMap<(u64, u64), Ike2Sa>,
}

struct EspRow {
    source: Addresses,
    destination: Addresses,
    spis: Spis,
    sa: EspSa,
}

impl Keys {
    /// Reads a table, or from a folder those named `esp_sa` and `ikev2_decryption_table`, of which one may be absent.
    pub fn load(path: &Path) -> Result<Keys, KeysError> {
        let mut keys = Keys::default();
        keys.add_path(path)?;
        Ok(keys)
    }

    /// Adds what [`Keys::load`] reads.
    pub fn add_path(&mut self, path: &Path) -> Result<(), KeysError> {
        if !path.is_dir() {
            return self.add_file(path);
        }
        let found: Vec<_> = TABLES.iter().map(|name| path.join(name)).filter(|path| path.exists()).collect();
        if found.is_empty() {
            return Err(KeysError {
                path: path.display().to_string(),
                line: 0,
                problem: format!("no file named {} in this folder", TABLES.join(" or ")),
                help: "give a file with keys, or the folder of a Wireshark profile".to_owned(),
            });
        }
        found.iter().try_for_each(|path| self.add_file(path))
    }

    /// Adds the rows of a file. Rows before the one that is wrong stay.
    pub fn add_file(&mut self, path: &Path) -> Result<(), KeysError> {
        let name = path.display().to_string();
        let refused = |problem: String| KeysError {
            path: name.clone(),
            line: 0,
            problem,
            help: "check that the file exists, may be read, and is a table of keys".to_owned(),
        };
        let read = || -> io::Result<Zeroizing<Vec<u8>>> {
            let file = fs::File::open(path)?;
            // The room is made in advance: what grew would leave pieces of keys behind.
            let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            let mut octets = Zeroizing::new(Vec::with_capacity(length.min(LONGEST_TABLE) + 2));
            file.take(LONGEST_TABLE as u64 + 1).read_to_end(&mut octets)?;
            Ok(octets)
        };
        let octets = read().map_err(|error| refused(error.to_string()))?;
        self.add(&name, &octets)
    }

    /// Adds the rows of a Decryption Secrets Block of the capture `path`; says whether it was of a type that is read.
    pub fn add_secrets(&mut self, path: &str, secrets: &Secrets) -> Result<bool, KeysError> {
        if ![Secrets::ESP_SA, Secrets::IKEV2].contains(&secrets.kind) {
            return Ok(false);
        }
        self.add(&format!("{path}, secrets at offset {}", secrets.offset), &secrets.octets)?;
        Ok(true)
    }

    /// Adds the rows of a text, which `name` stands for in errors. Rows before the one that is wrong stay.
    pub fn add(&mut self, name: &str, text: &[u8]) -> Result<(), KeysError> {
        let wrong = |line, problem: String, help: String| KeysError { path: name.to_owned(), line, problem, help };
        if text.len() > LONGEST_TABLE {
            let problem = format!("a table of more than {LONGEST_TABLE} octets");
            return Err(wrong(0, problem, "give only the keys of this capture".to_owned()));
        }
        for (line, octets) in (1..).zip(text.split(|octet| *octet == b'\n')) {
            let Ok(text) = str::from_utf8(octets) else {
                return Err(wrong(line, "not a text".to_owned(), "keys are read from text in UTF-8".to_owned()));
            };
            let row = table::row(text).map_err(|found| wrong(line, found.problem, found.help))?;
            if row.is_some() && self.esp.len() + self.ike2.len() >= MOST_ROWS {
                let problem = format!("more rows than the limit of {MOST_ROWS}");
                return Err(wrong(line, problem, "give only the keys of this capture".to_owned()));
            }
            match row {
                Some(Row::Esp { source, destination, spis, sa }) => {
                    let place = self.esp.len();
                    match spis.single() {
                        Some(spi) => self.by_spi.entry(spi).or_default().push(place),
                        None => self.by_pattern.push(place),
                    }
                    self.esp.push(EspRow { source, destination, spis, sa });
                }
                Some(Row::Ike2 { spi_i, spi_r, initiator, responder }) => {
                    let sa = self.ike2.entry((spi_i, spi_r)).or_default();
                    sa.initiator = sa.initiator.take().or(initiator);
                    sa.responder = sa.responder.take().or(responder);
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.esp.is_empty() && self.ike2.is_empty()
    }

    /// The association of an ESP packet with these addresses and this SPI: the first row that takes it in.
    pub fn esp(&self, src: IpAddr, dst: IpAddr, spi: u32) -> Option<&EspSa> {
        let fits = |place: &&usize| {
            self.esp
                .get(**place)
                .is_some_and(|row| row.spis.contain(spi) && row.source.contain(src) && row.destination.contain(dst))
        };
        let exact = self.by_spi.get(&spi).and_then(|places| places.iter().find(fits));
        let first = exact.into_iter().chain(self.by_pattern.iter().find(fits)).min()?;
        self.esp.get(*first).map(|row| &row.sa)
    }

    /// The association with these SPIs of initiator and responder.
    pub fn ike2(&self, spi_i: u64, spi_r: u64) -> Option<&Ike2Sa> {
        self.ike2.get(&(spi_i, spi_r))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("esp", &self.esp.len()).field("ike2", &self.ike2.len()).finish()
    }
}

#[cfg(test)]
mod capture_tests;
#[cfg(test)]
mod open_tests;
#[cfg(test)]
mod tests;
