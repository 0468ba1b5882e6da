//! The control socket: a Unix stream on which a request is one line of JSON and so is its answer.
//!
//! ```text
//! {"show":"nhrp"}                       {"nhrp":{"now_ms":..,"cache":[..],"nhs":[..],"next_request_id":..}}
//! {"show":"counters"}                   {"counters":[{"name":"underlay.in","value":3},..]}
//! {"clear":"nhrp","protocol":null}      {"cleared":{"bindings":2}}
//! {"route":"add","to":"172.20.0.0/16","via":"10.0.0.1"}     {"route":{"changed":true}}
//! {"route":"delete","to":"172.20.0.0/16"}                   {"route":{"changed":true}}
//! {"stop":true}                         {"stopping":true}, and end of file when the peer is down
//! anything else                         {"error":{"kind":"bad_request","message":".."}}
//! ```
//!
//! One connection can carry many requests. Whoever may open the socket (mode 0600) may do all of this.

pub mod client;
pub mod path;
pub mod proto;
pub mod server;
