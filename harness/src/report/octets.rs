//! The octets of a packet in lines of sixteen, those of certain fields marked: one dump for the terminal, the pages of a
//! run and those of divergences.

use std::ops::Range;

use serde::Serialize;

use crate::dissect::Dissection;
use crate::verdict::FieldRow;

/// Octets in a line.
pub const IN_A_LINE: usize = 16;

/// A line of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DumpLine {
    /// Offset of its first octet, in hexadecimal digits.
    pub offset: String,
    /// Its octets.
    pub octets: Vec<DumpOctet>,
    /// The same as ASCII, with a dot for what is no letter.
    pub ascii: String,
}

/// An octet of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DumpOctet {
    /// Two hexadecimal digits.
    pub hex: String,
    /// The field that it is marked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// The octets in lines; those of each span are marked with its name.
pub fn lines(octets: &[u8], spans: &[(String, Range<usize>)]) -> Vec<DumpLine> {
    let marked = |at: usize| spans.iter().find(|(_, range)| range.contains(&at)).map(|(field, _)| field.clone());
    octets
        .chunks(IN_A_LINE)
        .enumerate()
        .map(|(number, part)| DumpLine {
            offset: format!("{:04x}", number * IN_A_LINE),
            octets: part
                .iter()
                .enumerate()
                .map(|(place, octet)| DumpOctet {
                    hex: format!("{octet:02x}"),
                    field: marked(number * IN_A_LINE + place),
                })
                .collect(),
            ascii: part.iter().map(|octet| if octet.is_ascii_graphic() { char::from(*octet) } else { '.' }).collect(),
        })
        .collect()
}

/// Where the fields that differ lie in the packet: as far as it can be dissected with their lengths, else by their first
/// octet.
pub fn differing(octets: &[u8], rows: &[FieldRow]) -> Vec<(String, Range<usize>)> {
    let read = Dissection::of_ip(octets);
    let span = |row: &FieldRow| {
        let offset = row.offset?;
        let field = read.field(&row.field).map(|field| field.range.clone());
        let range = field.filter(|range| range.start == offset && !range.is_empty()).unwrap_or(offset..offset + 1);
        Some((row.field.clone(), range))
    };
    rows.iter().filter(|row| row.differs).filter_map(span).collect()
}

/// A dump as plain text.
pub fn text(lines: &[DumpLine]) -> String {
    let line = |line: &DumpLine| {
        let hex: Vec<&str> = line.octets.iter().map(|octet| octet.hex.as_str()).collect();
        format!("{}  {:<47}  {}", line.offset, hex.join(" "), line.ascii)
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_of_a_field_are_marked() {
        let octets: Vec<u8> = (0x38..0x4a).collect();
        let dump = lines(&octets, &[("cie[0].code".into(), 15..17)]);
        assert_eq!(
            text(&dump),
            "0000  38 39 3a 3b 3c 3d 3e 3f 40 41 42 43 44 45 46 47  89:;<=>?@ABCDEFG\n\
             0010  48 49                                            HI"
        );
        let marked: Vec<&str> = dump
            .iter()
            .flat_map(|line| &line.octets)
            .filter(|octet| octet.field.is_some())
            .map(|octet| octet.hex.as_str())
            .collect();
        assert_eq!(marked, ["47", "48"]);
        assert_eq!(lines(&[], &[]), []);
    }

    #[test]
    fn a_field_has_its_length_if_the_packet_can_be_read() {
        let row = |field: &str, offset| FieldRow { field: field.into(), offset, differs: true, ..FieldRow::default() };
        let mut packet = vec![0u8; 20];
        (packet[0], packet[3], packet[9]) = (0x45, 20, 99);
        let rows = [row("ip.src", Some(12)), row("ip.src", Some(3)), row("nothing", Some(90)), row("absent", None)];
        let spans = differing(&packet, &rows);
        let ranges: Vec<Range<usize>> = spans.into_iter().map(|(_, range)| range).collect();
        assert_eq!(ranges, [12..16, 3..4, 90..91]);
    }
}
