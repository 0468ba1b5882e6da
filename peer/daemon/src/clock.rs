//! The only place of the peer where a clock is read, and the alarm that wakes it.
//!
//! Deadlines come from `CLOCK_MONOTONIC` and from nowhere else, so that a kernel which skips idle time (virtual time in a
//! guest) moves the peer with it. The wall clock only dates captured packets.
//!
//! The alarm is a timer of the kernel (timerfd) and not the event loop's: that one is a millisecond coarse, and sleeps in
//! a call whose end the kernel may put off by a thousandth of the sleep, up to 100 ms, to save wake-ups.
#![allow(clippy::disallowed_methods, reason = "the shell is the edge where time comes in")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dmvpn_core::Instant;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;
use tokio::io::unix::AsyncFd;

/// The monotonic clock, counted from the start of the peer.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What the kernel's clock said then.
    origin: Duration,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { origin: monotonic() }
    }

    /// The present, for the node.
    pub fn now(&self) -> Instant {
        let elapsed = monotonic().saturating_sub(self.origin).as_nanos();
        Instant::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

fn monotonic() -> Duration {
    let now = clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock");
    now.into()
}

/// Wakes the shell at a deadline of the node: never before it, and as soon after it as the kernel can.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    timer: AsyncFd<Timer>,
    set_for: Option<Instant>,
}

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// If the kernel has no timer left.
    pub fn new(clock: Clock) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        // SAFETY: `Timer` names the descriptor that it owns, always the same one, until it is dropped.
        #[allow(unsafe_code, reason = "the registration trusts the descriptor that it is given")]
        let timer = unsafe { AsyncFd::register(Timer(timer)) }?;
        Ok(Self { clock, timer, set_for: None })
    }

    /// Returns when `deadline` has come; never without one. It can be dropped and called again with another one.
    ///
    /// # Errors
    /// If the timer does not work any more.
    pub async fn wait(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if self.set_for != deadline {
            match deadline {
                Some(at) => {
                    let at = self.clock.origin + Duration::from_nanos(at.as_nanos());
                    let at = Expiration::OneShot(TimeSpec::from_duration(at));
                    self.timer.get_ref().0.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
                }
                None => self.timer.get_ref().0.unset()?,
            }
            self.set_for = deadline;
        }
        loop {
            let mut ready = self.timer.readable().await?;
            match ready.get_inner().0.wait() {
                Ok(()) => {
                    ready.clear_ready();
                    self.set_for = None;
                    return Ok(());
                }
                // It had rung for a deadline that is no longer the one.
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Nanoseconds of the wall clock since 1970; 0 before that.
pub fn wall_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_is_never_early_and_follows_its_last_deadline() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock).unwrap();
        let soon = clock.now() + Duration::from_millis(5);
        alarm.wait(Some(soon)).await.unwrap();
        assert!(clock.now() >= soon);
        // One that has passed already, and the same one again.
        alarm.wait(Some(soon)).await.unwrap();
        alarm.wait(Some(Instant::ZERO)).await.unwrap();

        // Dropped half way, for an earlier one, for none, for a later one.
        let given_up = async |alarm: &mut Alarm, deadline| {
            tokio::time::timeout(Duration::from_millis(20), alarm.wait(deadline)).await.is_err()
        };
        assert!(given_up(&mut alarm, Some(clock.now() + Duration::from_secs(3600))).await);
        assert!(!given_up(&mut alarm, Some(clock.now() + Duration::from_millis(1))).await);
        assert!(given_up(&mut alarm, None).await);
        assert!(given_up(&mut alarm, Some(Instant::MAX)).await);
        // A ring that nobody heard is not taken for that of the next deadline.
        let at_once = Expiration::OneShot(TimeSpec::from_duration(Duration::from_nanos(1)));
        alarm.timer.get_ref().0.set(at_once, TimerSetTimeFlags::empty()).unwrap();
        assert!(given_up(&mut alarm, Some(clock.now() + Duration::from_secs(3600))).await);
    }
}
