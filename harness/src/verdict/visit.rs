//! Reaches every text of a result, for whoever has to change them all: redaction, and terminals that must not be sent
//! a router's control characters.

use super::{
    CaseResult, CiteRef, Comparison, Event, Failure, FieldRow, ImplRef, Metric, NodeLog, RunResult, StepRef, Verdict,
};

/// What is done to each text.
type Text<'a> = &'a mut dyn FnMut(&mut String);
/// What is done to the octets of each packet.
type Octets<'a> = &'a mut dyn FnMut(&mut Vec<u8>);

impl RunResult {
    /// Calls `text` on everything that is text and `octets` on every packet. Paths to evidence are left alone: they
    /// have to lead there.
    pub fn visit_text(&mut self, text: Text<'_>, octets: Octets<'_>) {
        let RunResult {
            schema: _,
            command,
            harness_version,
            began,
            wall: _,
            seed: _,
            environment,
            cases,
            partition: _,
            evidence_dir: _,
            interrupted: _,
            problems,
            regressions,
        } = self;
        for entry in command.iter_mut().chain(problems).chain(regressions) {
            text(entry);
        }
        text(harness_version);
        text(began);
        for value in environment.values_mut() {
            text(value);
        }
        for case in cases {
            case.visit_text(text, octets);
        }
    }
}

impl CaseResult {
    /// Calls `text` on everything that is text and `octets` on every packet, the path to the evidence excepted.
    pub fn visit_text(&mut self, text: Text<'_>, octets: Octets<'_>) {
        // Every field is named, so that a new one can not be forgotten here.
        let CaseResult {
            id,
            suite,
            title,
            variant,
            world,
            driver,
            subject,
            peer,
            seed: _,
            cites,
            verdict,
            clock: _,
            rate: _,
            wall: _,
            evidence: _,
            rerun,
            metrics,
            file,
            line: _,
        } = self;
        for entry in [id, suite, title, world, rerun, file].into_iter().chain(variant).chain(driver) {
            text(entry);
        }
        for ImplRef { name, version } in [subject, peer] {
            text(name);
            text(version);
        }
        for CiteRef { spec, section, level, quote, requirement } in cites {
            for entry in [spec, section, level, quote].into_iter().chain(requirement) {
                text(entry);
            }
        }
        for Metric { name, value: _, unit, at_most: _ } in metrics {
            text(name);
            text(unit);
        }
        let Verdict { outcome: _, reason, failure, cause } = verdict;
        text(reason);
        cause.iter_mut().for_each(&mut *text);
        if let Some(failure) = failure {
            failure.visit_text(text, octets);
        }
    }
}

impl Failure {
    fn visit_text(&mut self, text: Text<'_>, octets: Octets<'_>) {
        let Failure { step, expected, actual, comparison, nearby, log_tail } = self;
        if let Some(step) = step {
            step.visit_text(text);
        }
        for entry in expected.iter_mut().chain([actual]).chain(nearby) {
            text(entry);
        }
        for NodeLog { node, lines } in log_tail {
            text(node);
            lines.iter_mut().for_each(&mut *text);
        }
        if let Some(Comparison { expected_line, actual_line, rows, actual_hex }) = comparison {
            text(expected_line);
            text(actual_line);
            for FieldRow { field, expected, actual, offset: _, differs: _ } in rows {
                text(field);
                text(expected);
                text(actual);
            }
            actual_hex.iter_mut().for_each(octets);
        }
    }
}

impl StepRef {
    fn visit_text(&mut self, text: Text<'_>) {
        let StepRef { file, line: _, column: _, text: words } = self;
        text(file);
        text(words);
    }
}

impl Event {
    /// Calls `text` on everything that is text and `octets` on every packet.
    pub fn visit_text(&mut self, text: Text<'_>, octets: Octets<'_>) {
        match self {
            Event::RunStart { schema: _, harness_version, command, began, seed: _, cases: _ } => {
                for entry in command.iter_mut().chain([harness_version, began]) {
                    text(entry);
                }
            }
            Event::Phase { verb, what } => {
                text(verb);
                text(what);
            }
            Event::CaseStart { id, variant } => {
                text(id);
                variant.iter_mut().for_each(text);
            }
            Event::Step { id, variant, at_ns: _, number: _, step } => {
                text(id);
                variant.iter_mut().for_each(&mut *text);
                step.visit_text(text);
            }
            Event::Packet { id, variant, at_ns: _, link, from, to, number: _, summary } => {
                for entry in [id, link, summary].into_iter().chain(variant).chain(from).chain(to) {
                    text(entry);
                }
            }
            Event::Verdict { case } => case.visit_text(text, octets),
            Event::RunEnd { counts: _, exit_code: _, summary } => text(summary),
        }
    }
}
