//! Request IDs (RFC 2332 §5.2.0.1): one 32-bit counter for all requests of the node.

/// Gives out request IDs.
#[derive(Clone, Debug)]
pub struct RequestIds {
    next: u32,
}

impl RequestIds {
    /// Starts with `first`. After a restart it should be higher than any ID used before (NHRP-5.2.3-09): see
    /// [`Config::first_request_id`](crate::config::Config::first_request_id).
    pub fn starting_at(first: u32) -> Self {
        Self { next: first }
    }

    /// A new ID; wraps after 2^32.
    pub fn allocate(&mut self) -> u32 {
        // NHRP-5.2.0.1-05: every new request advances the one counter.
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        id
    }

    /// The ID that the next request will get.
    pub fn peek(&self) -> u32 {
        self.next
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
}
