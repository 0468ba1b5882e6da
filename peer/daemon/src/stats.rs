//! What the shell counts, beside the node's own counters: nothing that is lost here is lost unseen.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that threads share.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more; says how many there were before.
    pub fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// The value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident = $name:literal,)*) => {
        /// Counters of the shell.
        #[derive(Debug, Default)]
        pub struct Stats {
            $($(#[$doc])* pub $field: Count,)*
        }

        impl Stats {
            /// All counters with their names, zeros included, always in the same order.
            pub fn view(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field.value()),)*]
            }
        }
    };
}

counters! {
    /// Packets read from raw sockets.
    rx_packets = "shell.rx.packets",
    /// Read, but not a whole IP packet: cut off, wrong lengths or header checksum.
    rx_not_whole = "shell.rx.not_whole",
    /// Read, but a fragment. The kernel puts fragments together, so this should stay zero.
    rx_fragment = "shell.rx.fragment",
    /// Reads that failed.
    rx_errors = "shell.rx.errors",
    /// Packets written to raw sockets.
    tx_packets = "shell.tx.packets",
    /// No socket has the packet's source address and protocol.
    tx_no_socket = "shell.tx.no_socket",
    /// Longer than the way out allows, or than IP can say.
    tx_too_big = "shell.tx.too_big",
    /// The kernel had no room.
    tx_no_room = "shell.tx.no_room",
    /// No route, no neighbour, or the source address is gone.
    tx_unreachable = "shell.tx.unreachable",
    /// A packet filter or a policy refused it.
    tx_refused = "shell.tx.refused",
    /// Failed for another reason.
    tx_errors = "shell.tx.errors",
    /// Request IDs that could not be noted in the state file: they may come again after a restart.
    state_errors = "shell.state.errors",
    /// Inner packets for a tunnel interface while there is none: the TUN side is not built yet.
    deliver_no_interface = "shell.deliver.no_interface",
    /// Packets written to the capture.
    capture_packets = "shell.capture.packets",
    /// Packets that the capture's queue had no room for.
    capture_lost = "shell.capture.lost",
    /// Packets not captured because of an earlier write error.
    capture_failed = "shell.capture.failed",
    /// Clients of the control socket.
    control_clients = "shell.control.clients",
    /// Clients sent away because there were too many.
    control_busy = "shell.control.busy",
    /// Requests that are none.
    control_bad_requests = "shell.control.bad_requests",
    /// Clients given up because they were silent or did not read.
    control_timeouts = "shell.control.timeouts",
    /// Log lines that standard error did not take in time.
    log_lost = "shell.log.lost",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_counts_show() {
        let stats = Stats::default();
        stats.capture_lost.add();
        let mut names: Vec<_> = stats.view().into_iter().map(|(name, _)| name).collect();
        assert!(stats.view().contains(&("shell.capture.lost", 1)));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
