//! tshark's protocols in the words of the lab, which looks into fewer of them.

/// What a protocol of tshark is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// No layer: a word of tshark's about how it came from one to the next.
    Nothing,
    /// A layer of that name, and what it carries follows.
    Passed(&'static str),
    /// A layer of that name; what tshark finds in it is not looked for.
    Last(&'static str),
}

/// What a protocol of tshark is here.
pub(crate) fn here(theirs: &str) -> Here {
    match theirs {
        "geninfo" | "frame" | "pkt_comment" | "ethertype" | "raw" | "udpencap" | "fake-field-wrapper" => Here::Nothing,
        "ipv6.hopopts" | "ipv6.dstopts" | "ipv6.routing" => Here::Nothing,
        _ if theirs.starts_with("_ws.") => Here::Nothing,
        "eth" => Here::Passed("eth"),
        "vlan" | "ieee8021ad" => Here::Passed("vlan"),
        "sll" => Here::Passed("sll"),
        "null" => Here::Passed("null"),
        "nflog" => Here::Passed("nflog"),
        "ip" => Here::Passed("ip"),
        "ipv6" => Here::Passed("ipv6"),
        "ipv6.fraghdr" => Here::Passed("ipv6_fragment"),
        "gre" => Here::Passed("gre"),
        "udp" => Here::Passed("udp"),
        "tcp" => Here::Passed("tcp"),
        "esp" => Here::Passed("esp"),
        "isakmp" => Here::Last("ike"),
        "nhrp" => Here::Last("nhrp"),
        "icmp" => Here::Last("icmp"),
        "icmpv6" => Here::Last("icmpv6"),
        "ospf" => Here::Last("ospf"),
        "eigrp" => Here::Last("eigrp"),
        "rip" | "ripng" => Here::Last("rip"),
        "bgp" => Here::Last("bgp"),
        // Spanning tree, CDP, NTP, DNS, syslog, Cisco's metadata, ...
        _ => Here::Last("data"),
    }
}

/// tshark's `eth:ethertype:ip:udp:isakmp` as `eth:ip:udp:ike`. `fragment` is whether the innermost IP packet is a piece of
/// a datagram, which is no layer here.
pub(crate) fn translate(protocols: &str, fragment: bool) -> String {
    let mut names = Vec::new();
    for theirs in protocols.split(':') {
        match (here(theirs), names.last()) {
            (Here::Nothing, _) => {}
            // What TCP carries is a layer here only where it is routing.
            (Here::Last("data"), Some(&"tcp")) => break,
            (Here::Last("data"), Some(&("ip" | "ipv6_fragment"))) if fragment => break,
            (Here::Last(name), _) => {
                names.push(name);
                break;
            }
            (Here::Passed(name), _) => names.push(name),
        }
    }
    // ESP in UDP, IKE in UDP, or neither: then it is what keeps a translator's entry alive.
    if protocols.ends_with(":udpencap") {
        names.push("keepalive");
    }
    names.join(":")
}

/// Which of tshark's protocols are below the last layer that is looked into here.
#[derive(Debug, Default)]
pub(crate) struct Below {
    last: Option<&'static str>,
}

impl Below {
    /// Whether the fields of that protocol, the next one, are read.
    pub(crate) fn reads(&mut self, theirs: &str) -> bool {
        match (self.last, here(theirs)) {
            (_, Here::Nothing) => true,
            // The headers of a packet that a Traffic Indication quotes are read here without being layers.
            (Some("nhrp"), Here::Passed("ip" | "ipv6")) => true,
            (Some("nhrp"), Here::Last("icmp" | "icmpv6")) => {
                self.last = Some("icmp");
                true
            }
            (Some(_), _) => false,
            (None, Here::Passed(_)) => true,
            (None, Here::Last(name)) => {
                self.last = Some(name);
                true
            }
        }
    }
}

#[test]
fn stacks_are_translated() {
    for (theirs, ours) in [
        ("eth:ethertype:vlan:ethertype:ip:gre:nhrp:ip:icmp:data", "eth:vlan:ip:gre:nhrp"),
        ("raw:ip:udp:udpencap:isakmp:x509sat", "ip:udp:ike"),
        ("null:ip:udp:udpencap", "null:ip:udp:keepalive"),
        ("eth:llc:stp", "eth:data"),
        ("eth:ethertype:ip:gre:ip:tcp:ssh", "eth:ip:gre:ip:tcp"),
        ("eth:ethertype:ip:tcp:bgp", "eth:ip:tcp:bgp"),
        ("eth:ethertype:ip:data", "eth:ip:data"),
    ] {
        assert_eq!(translate(theirs, false), ours);
    }
    assert_eq!(translate("eth:ethertype:ip:gre:ip:data", true), "eth:ip:gre:ip");
}
