//! `ping`: echoes asked for by a router's own program, and counted by what that program says; those of a built-in peer are
//! asked for by the host that the fabric has behind it.
//!
//! The harness could send a router's echo requests itself, but only its own way out shows that its routes, its tunnel and
//! its security policy are as they should be.

use std::net::IpAddr;
use std::time::Duration;

use crate::agent::protocol::{Action, Outcome};
use crate::run::case::{CaseRun, Stop};
use crate::suite::{PingStep, Spanned, Station, Step};
use crate::world::{LabError, echo};

/// Time between two requests.
const INTERVAL_MS: u64 = 200;

pub(super) fn ping<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, ping: &PingStep) -> Result<(), Stop> {
    let broken = |problem: String| Stop::from(LabError::Router { node: ping.from.clone(), problem });
    let target = match &ping.to {
        Station::Addr(address) => *address,
        Station::Node(node) => {
            let station = run.stations.get(node).ok_or_else(|| broken(format!("`{node}` has no address")))?;
            station.cloud.protocol
        }
    };
    if !run.routers.contains_key(&ping.from) {
        return from_peer(run, step, ping, target);
    }
    let patience = run.bound(ping.within.as_ref());
    let mut argv: Vec<String> = ["ping", "-n", "-q"].map(str::to_owned).into();
    let mut option = |name: &str, value: String| argv.extend([name.to_owned(), value]);
    option("-c", ping.count.to_string());
    option("-i", format!("{:.1}", INTERVAL_MS as f64 / 1000.0));
    option("-W", format!("{:.3}", patience.as_secs_f64()));
    if let Some(size) = ping.size {
        option("-s", size.to_string());
    }
    if let Some(source) = ping.source {
        option("-I", source.to_string());
    }
    argv.push(target.to_string());
    let asking = Duration::from_millis(INTERVAL_MS.saturating_mul(ping.count));
    // The program itself is a little slower than asked: a twentieth, and more for the last one.
    let limit = asking + asking / 10 + patience * 2;
    let timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let told = argv.join(" ");
    let outcome = run.world.order(&ping.from, Action::Exec { argv, stdin: None, timeout_ms }, limit * 2)?;
    let Outcome::Exec { stdout, stderr, .. } = outcome else {
        return Err(broken(format!("`{told}`: {outcome:?}")));
    };
    // No counts at all is no loss of packets but a program that did not run.
    let Some((sent, received)) = counts(&stdout) else {
        return Err(broken(format!("`{told}` counts nothing: {} {}", stdout.trim(), stderr.trim())));
    };
    judge(run, step, ping, &format!("`{told}`"), sent, received)
}

/// The host behind a built-in peer asks.
fn from_peer<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, ping: &PingStep, target: IpAddr) -> Result<(), Stop> {
    let id = run.world.fabric.station(&ping.from)?;
    let patience = run.bound(ping.within.as_ref());
    let data = ping.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(echo::DATA);
    let mut asked = Vec::new();
    for _ in 0..ping.count {
        let now = run.world.now();
        let number = run.world.fabric.ask(id, now, ping.source, target, data).ok_or_else(|| {
            let problem = "can not ping: it does not run, or has no address of that family".to_owned();
            LabError::Router { node: ping.from.clone(), problem }
        })?;
        asked.push(number);
        // As a program does it: the last one is not waited for so long, but for its answer.
        if u64::try_from(asked.len()).is_ok_and(|sent| sent < ping.count) {
            run.world.pump_until(now + Duration::from_millis(INTERVAL_MS))?;
        }
    }
    let deadline = run.world.now() + patience;
    let mut received = run.world.fabric.answers(id, &asked);
    while received < ping.count && run.world.now() < deadline {
        run.world.pump(deadline)?;
        received = run.world.fabric.answers(id, &asked);
    }
    judge(run, step, ping, &format!("pings of {target}"), ping.count, received)
}

fn judge<'a>(
    run: &CaseRun<'a>,
    step: &'a Spanned<Step>,
    ping: &PingStep,
    told: &str,
    sent: u64,
    received: u64,
) -> Result<(), Stop> {
    let lost = sent.saturating_sub(received);
    if sent == ping.count && lost == ping.lost {
        return Ok(());
    }
    let actual = format!("{lost} of {sent} were lost");
    let expected = vec![format!("{} of {} lost", ping.lost, ping.count)];
    Err(run.failed(&step.span, &step.value, format!("{told} on `{}`: {actual}", ping.from), expected, actual, None))
}

/// How many requests were sent and how many answered: `3 packets transmitted, 3 received, 0% packet loss`, as every
/// such program has it (some say `3 packets received`).
fn counts(output: &str) -> Option<(u64, u64)> {
    let line = output.lines().find(|line| line.contains(" transmitted"))?;
    let mut numbers = line.split(',').filter_map(|part| part.split_whitespace().next()?.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_what_programs_say() {
        let output = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n\n--- 10.0.0.1 ping statistics ---\n\
                      5 packets transmitted, 3 received, 40% packet loss, time 812ms\nrtt min/avg/max\n";
        assert_eq!(counts(output), Some((5, 3)));
        let errors = "3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2031ms";
        assert_eq!(counts(errors), Some((3, 0)));
        assert_eq!(counts("3 packets transmitted, 3 packets received, 0% packet loss"), Some((3, 3)));
        assert_eq!(counts("ping: connect: Network is unreachable"), None);
    }
}
