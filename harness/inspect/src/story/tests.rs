use super::*;
use crate::capture::LinkType;
use crate::exchange::tests::{reply, request};
use crate::keys::Keys;
use crate::view::Viewer;

pub(super) fn told(keep: usize, packets: &[(u64, Vec<u8>)]) -> Story {
    told_with(Keys::default(), keep, packets)
}

pub(super) fn told_with(keys: Keys, keep: usize, packets: &[(u64, Vec<u8>)]) -> Story {
    let (mut story, mut viewer) = (Story::new(keep), Viewer::default());
    *viewer.keys_mut()[0] = keys;
    for (number, (time_ms, octets)) in (1..).zip(packets) {
        let packet = CapturedPacket {
            number,
            timestamp_ns: time_ms * 1_000_000,
            linktype: LinkType::RAW,
            original_len: u32::try_from(octets.len()).unwrap(),
            octets: octets.clone(),
            ..CapturedPacket::default()
        };
        let (glance, read) = viewer.look(&packet).unwrap();
        story.packet(View { packet: &packet, glance: &glance, read });
    }
    story.finish();
    story
}

#[test]
fn registrations_are_added_up_by_client_and_server() {
    let story = told(
        2,
        &[
            (0, request(1)),
            (5, reply(1, 0)),
            (20_000, request(2)),
            (20_005, reply(2, 5)),
            (50_000, request(3)),
            (51_000, request(3)),
        ],
    );
    let overview = story.overview();
    let [row] = &overview.registrations[..] else { panic!("{:?}", overview.registrations) };
    assert_eq!((row.count.exchanges, row.accepted, row.count.unanswered, row.count.retries), (3, 1, 1, 1));
    assert_eq!(row.refused[..], [(5, 1)]);
    assert_eq!((row.shortest_ns, row.longest_ns), (Some(20_000_000_000), Some(30_000_000_000)));
    assert_eq!((row.holding_time, row.count.first_packet), (Some(300), 1));
    // Two are kept, the third is only counted.
    assert_eq!((story.exchanges().len(), story.left_out()), (2, 1));
    assert_eq!(overview.mappings.len(), 1);
    assert_eq!(overview.stations.len(), 2);
}

#[test]
fn a_mapping_that_nobody_renews_is_gone() {
    let packets = [(0, request(1)), (5, reply(1, 0)), (400_000, request(2)), (900_000, request(3))];
    let overview = told(0, &packets).overview();
    let [lapsed] = &overview.lapsed[..] else { panic!("{:?}", overview.lapsed) };
    assert!(lapsed.gone && overview.mappings.is_empty());
}

#[test]
fn packets_that_can_not_be_read_are_kept_with_their_place() {
    let story = told(0, &[(0, request(1)), (1, vec![0x30; 4]), (2, request(1))]);
    assert_eq!(story.troubles(), [Trouble { packet: 2, offset: 0, what: "IP version is 3".to_owned() }]);
    assert_eq!(story.tracker().totals().packets, 3);
}

#[test]
fn everything_is_bounded() {
    let mut packets = Vec::new();
    for client in 0..=u16::try_from(ROWS).unwrap() {
        let mut octets = request(1);
        // Each from another client: source of the outer header, and source protocol address.
        octets[14..16].copy_from_slice(&client.to_be_bytes());
        octets[62..64].copy_from_slice(&client.to_be_bytes());
        packets.push((0, octets));
    }
    let overview = told(0, &packets).overview();
    assert_eq!((overview.registrations.len(), overview.no_room), (ROWS, 1));
}
