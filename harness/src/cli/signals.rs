//! SIGINT and SIGTERM: the first one asks a command to end in an orderly way, the second one ends it at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use crate::verdict::Interrupt;

/// Sets `stop` at the first signal. What listens only has to notice that.
pub(super) fn stop_on_signals(stop: Arc<AtomicBool>) {
    watch(stop, |_, _| ());
}

/// The same for commands that have something to take down. It says so aloud, and which signal it was.
pub(super) fn watch_signals(interrupted: Arc<AtomicBool>) -> Arc<Mutex<Option<Interrupt>>> {
    let which = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&which);
    watch(interrupted, move |kind, again| {
        if again {
            eprintln!("interrupted twice: leaving at once; `cargo lab prune` removes what is left");
            return;
        }
        eprintln!("interrupted: taking everything down (once more to leave at once)");
        if let Ok(mut seen) = seen.lock() {
            *seen = Some(kind);
        }
    });
    which
}

/// Tells of each signal, and whether it is the second. Returns when the watch has begun: until then a signal would end the
/// process at once, and leave what it has started.
fn watch(stop: Arc<AtomicBool>, mut heard: impl FnMut(Interrupt, bool) + Send + 'static) {
    let (ready, watching) = channel::<()>();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
                return;
            };
            let _ = ready.send(());
            loop {
                let kind = tokio::select! {
                    _ = int.recv() => Interrupt::Interrupt,
                    _ = term.recv() => Interrupt::Terminate,
                };
                let again = stop.swap(true, Ordering::Relaxed);
                heard(kind, again);
                if again {
                    std::process::exit(kind.exit_code().0.into());
                }
            }
        });
    });
    // A watch that could not be set up hangs up.
    let _ = watching.recv();
}
