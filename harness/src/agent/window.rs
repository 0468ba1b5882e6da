//! How far ahead of a reader somebody may write.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Leave to write, which is used up by writing and granted anew by reading.
#[derive(Debug)]
pub struct Window {
    /// Octets on their way at most.
    width: usize,
    state: Mutex<WindowState>,
    changed: Condvar,
}

#[derive(Debug)]
struct WindowState {
    /// None until the reader is there.
    credit: Option<usize>,
    closed: bool,
}

impl Window {
    /// One whose reader is not there yet.
    pub(super) fn shut(width: usize) -> Self {
        let state = Mutex::new(WindowState { credit: None, closed: false });
        Self { width, state, changed: Condvar::new() }
    }

    /// One whose reader is there.
    pub fn open(width: usize) -> Self {
        let window = Self::shut(width);
        window.grant(width);
        window
    }

    /// The reader is there, or has read so much. It can not widen the window.
    pub fn grant(&self, octets: usize) {
        let mut state = self.lock();
        state.credit = Some(state.credit.unwrap_or(0).saturating_add(octets).min(self.width));
        self.changed.notify_all();
    }

    /// The reader is gone.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether the reader is gone.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until the reader is there. False when it is gone, or `deadline` has come.
    pub(super) fn wait_open(&self, deadline: Instant) -> bool {
        self.wait(Some(deadline), |state| state.credit.is_some()).credit.is_some()
    }

    /// Takes leave to write, of `wanted` octets at most. None when the reader is gone, or `deadline`, if there is one, has
    /// come.
    pub fn take(&self, wanted: usize, deadline: Option<Instant>) -> Option<usize> {
        let mut state = self.wait(deadline, |state| state.credit.is_some_and(|credit| credit > 0));
        if state.closed {
            return None;
        }
        let credit = state.credit.as_mut().filter(|credit| **credit > 0)?;
        let taken = wanted.min(*credit);
        *credit -= taken;
        Some(taken)
    }

    fn wait(&self, deadline: Option<Instant>, is_it: impl Fn(&WindowState) -> bool) -> MutexGuard<'_, WindowState> {
        let wanting = |state: &mut WindowState| !state.closed && !is_it(state);
        match deadline {
            None => self.changed.wait_while(self.lock(), wanting).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout_while(self.lock(), left, wanting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, WindowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const WIDTH: usize = 2048;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn nothing_is_written_before_the_reader_is_there_and_no_more_than_the_window_after() {
        let window = Window::shut(WIDTH);
        assert!(!window.wait_open(Instant::now()));
        assert_eq!(window.take(10, Some(Instant::now())), None);
        window.grant(WIDTH);
        assert!(window.wait_open(Instant::now()));
        assert_eq!(window.take(48, Some(soon())), Some(48));
        assert_eq!(window.take(1 << 20, None), Some(WIDTH - 48));
        assert_eq!(window.take(1, Some(Instant::now())), None);
        window.grant(7);
        assert_eq!(window.take(10, Some(soon())), Some(7));
    }

    #[test]
    fn credit_that_was_never_used_does_not_widen_the_window() {
        let window = Window::open(WIDTH);
        window.grant(usize::MAX);
        assert_eq!(window.take(usize::MAX, None), Some(WIDTH));
    }

    #[test]
    fn whoever_waits_learns_at_once_that_the_reader_is_gone() {
        let window = Arc::new(Window::shut(WIDTH));
        let waiting = thread::spawn({
            let window = Arc::clone(&window);
            move || (window.wait_open(soon()), window.take(1, None))
        });
        let begun = Instant::now();
        thread::sleep(Duration::from_millis(10));
        window.close();
        assert_eq!(waiting.join().unwrap(), (false, None));
        assert!(begun.elapsed() < Duration::from_secs(4));
    }
}
