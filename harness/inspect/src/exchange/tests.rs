use super::*;
use crate::capture::LinkType;
use crate::dissect::Session;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A registration of 10.0.0.11 with 10.0.0.1 over GRE key 42, and its acknowledgment, as FRR 8.4.4 sends them.
pub(crate) fn request(id: u8) -> Vec<u8> {
    let mut packet = hex("45c00070 00010000 ff2f0000 c000020b c0000201 2000 2001 0000002a \
         0001 0800 0000000000 ff 0034 0000 0000 01 03 04 00 04 04 8000 00000000 c000020b 0a00000b 0a000001 \
         00 ff 0000 05c4 012c 00 00 00 00");
    packet[28 + 24 + 3] = id;
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[2..4].copy_from_slice(&length);
    packet
}

pub(crate) fn reply(id: u8, code: u8) -> Vec<u8> {
    let mut packet = request(id);
    packet[28 + 17] = 4;
    packet[28 + 40] = code;
    let (src, dst) = (packet[12..16].to_vec(), packet[16..20].to_vec());
    packet[12..16].copy_from_slice(&dst);
    packet[16..20].copy_from_slice(&src);
    packet
}

fn follow(packets: &[(u64, Vec<u8>)]) -> (Tracker, Vec<Exchange>) {
    let mut tracker = Tracker::new(Limits::default());
    let mut session = Session::default();
    for (number, (time_ms, octets)) in packets.iter().enumerate() {
        let glance = Glance::of(&mut session, LinkType::RAW, octets);
        tracker.packet(number as u64 + 1, time_ms * 1_000_000, octets.len(), &glance);
    }
    tracker.finish();
    let finished = tracker.take_finished();
    (tracker, finished)
}

#[test]
fn a_request_is_matched_with_its_reply() {
    let (tracker, exchanges) = follow(&[(1000, request(1)), (1500, request(1)), (1507, reply(1, 0))]);
    assert_eq!(exchanges.len(), 1);
    let exchange = &exchanges[0];
    assert_eq!((exchange.kind, exchange.gre_key, exchange.id), (ExchangeKind::Registration, Some(42), 1));
    assert_eq!((exchange.retries, exchange.latency_ns), (1, Some(507_000_000)));
    assert_eq!((exchange.code, exchange.holding_time), (Some(0), Some(300)));
    assert_eq!(exchange.expires_ns, Some(301_507_000_000));
    let roles: Vec<_> = tracker.stations().iter().map(|(nbma, station)| (nbma.to_string(), station.role())).collect();
    assert_eq!(roles, [("192.0.2.11".to_owned(), Role::Spoke), ("192.0.2.1".to_owned(), Role::Hub)]);
    let clouds = tracker.clouds();
    assert_eq!(clouds.len(), 1);
    assert_eq!((clouds[0].gre_key, clouds[0].network.as_deref()), (Some(42), Some("10.0.0.0/28")));
    let (key, binding) = tracker.bindings().iter().next().unwrap();
    assert_eq!(key.1.to_string(), "10.0.0.11");
    assert_eq!((binding.holding_time, binding.renewals), (300, 0));
}

#[test]
fn what_is_refused_or_not_answered_makes_no_mapping() {
    let (tracker, exchanges) = follow(&[(0, request(1)), (5, reply(1, 4)), (10, request(2))]);
    assert_eq!(
        exchanges.iter().map(|e| (e.code, e.unanswered())).collect::<Vec<_>>(),
        [(Some(4), false), (None, true)]
    );
    assert!(tracker.bindings().is_empty());
}

#[test]
fn a_refresh_renews_and_a_late_one_is_a_lapse() {
    let (tracker, exchanges) = follow(&[
        (0, request(1)),
        (5, reply(1, 0)),
        (100_000, request(2)),
        (100_005, reply(2, 0)),
        (500_000, request(3)),
        (500_005, reply(3, 0)),
    ]);
    assert_eq!(exchanges.len(), 3);
    let (_, binding) = tracker.bindings().iter().next().unwrap();
    assert_eq!((binding.renewals, binding.lapses), (1, 1));
}

#[test]
fn an_id_that_comes_again_after_its_reply_is_another_exchange() {
    let (_, exchanges) = follow(&[(0, request(1)), (5, reply(1, 0)), (10_000, request(1)), (10_005, reply(1, 0))]);
    assert_eq!(exchanges.iter().map(|e| e.count).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn what_is_open_is_bounded_and_counted() {
    let mut tracker = Tracker::new(Limits { open: 10, ..Limits::default() });
    let mut session = Session::default();
    for number in 0..200u8 {
        let octets = request(number);
        let glance = Glance::of(&mut session, LinkType::RAW, &octets);
        tracker.packet(number.into(), 0, octets.len(), &glance);
        assert!(tracker.open.len() <= 10);
    }
    assert_eq!((tracker.totals().exchanges, tracker.totals().given_up), (200, 190));
    assert_eq!(tracker.take_finished().len(), 190);
}

/// An Error Indication from the server, which quotes this request.
fn error_about(request: &[u8], code: u16) -> Vec<u8> {
    let message = &request[28..];
    let mut packet = reply(0, 0)[..28].to_vec();
    packet.extend(&message[..20]);
    packet.extend([4, 4, 0, 0]);
    packet.extend(code.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(hex("c0000201 0a000001 0a00000b"));
    packet.extend(message);
    packet[28 + 17] = 7;
    let size = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&size.to_be_bytes());
    packet[28 + 10..28 + 12].copy_from_slice(&(size - 28).to_be_bytes());
    packet
}

#[test]
fn an_error_is_about_the_latest_request_that_it_quotes() {
    let packets: Vec<_> = (1..=9).map(|id| (1000, request(id))).collect();
    let again = [(1100, reply(5, 0)), (1200, request(5)), (1300, error_about(&request(5), 6))];
    let stranger = [(1400, error_about(&request(77), 6))];
    let (tracker, exchanges) = follow(&[&packets[..], &again, &stranger].concat());
    assert_eq!((exchanges.len(), tracker.totals().nhrp[7]), (11, 2));
    let errors: Vec<_> = exchanges.iter().map(|exchange| exchange.error).collect();
    assert_eq!(errors.iter().filter(|error| error.is_some()).count(), 1);
    assert_eq!((exchanges[9].id, exchanges[9].error), (5, Some(6)));
    assert_eq!((exchanges[10].kind, exchanges[10].code), (ExchangeKind::ErrorIndication, Some(6)));
}
