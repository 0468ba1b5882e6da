//! Request IDs (RFC 2332 §5.2.0.1): one 32-bit counter for all requests of the node.
//!
//! The RFC wants IDs that do not come again after a restart (§5.2.3). A counter that had to be stored for every request
//! would be a write to a disk per message, so it is reserved in blocks: before the first ID of a block is used, the node
//! says that everything below the block's end may have been used, and a shell stores that number.

/// Gives out request IDs.
#[derive(Clone, Debug)]
pub struct RequestIds {
    next: u32,
    /// The first ID that is not reserved.
    reserved: u32,
    /// Whether somebody has still to be told of [`Self::reserved`].
    untold: bool,
}

impl RequestIds {
    /// IDs in a block. A restart skips at most as many.
    pub const BLOCK: u32 = 256;

    /// Starts with `first`. After a restart it should be higher than any ID used before (NHRP-5.2.3-09): see
    /// [`Config::first_request_id`](crate::config::Config::first_request_id).
    pub fn starting_at(first: u32) -> Self {
        Self { next: first, reserved: first, untold: false }
    }

    /// A new ID; wraps after 2^32.
    pub fn allocate(&mut self) -> u32 {
        // NHRP-5.2.0.1-05: every new request advances the one counter.
        let id = self.next;
        if id == self.reserved {
            self.reserved = id.wrapping_add(Self::BLOCK);
            self.untold = true;
        }
        self.next = id.wrapping_add(1);
        id
    }

    /// The ID that the next request will get.
    pub fn peek(&self) -> u32 {
        self.next
    }

    /// What has to be stored before any message with an ID given out since the last call leaves the node: every ID in use
    /// comes before it in the order of the counter.
    pub fn newly_reserved(&mut self) -> Option<u32> {
        std::mem::take(&mut self.untold).then_some(self.reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_and_wrap() {
        let mut ids = RequestIds::starting_at(u32::MAX);
        assert_eq!([ids.allocate(), ids.allocate(), ids.peek()], [u32::MAX, 0, 1]);
    }

    #[test]
    fn blocks_are_told_once_and_before_they_are_used_up() {
        let mut ids = RequestIds::starting_at(u32::MAX - 9);
        assert_eq!(ids.newly_reserved(), None);
        let (mut bound, mut told) = (0, 0);
        for n in 0..1000u32 {
            let id = ids.allocate();
            if let Some(below) = ids.newly_reserved() {
                (bound, told) = (below, told + 1);
            }
            assert_eq!(id, (u32::MAX - 9).wrapping_add(n));
            assert!(bound.wrapping_sub(id) <= RequestIds::BLOCK && bound != id, "{id} is not below {bound}");
        }
        assert_eq!(told, 4);
    }
}
