//! Which cases to run: by id, by tag, and without what is excluded.

use super::diagnostic::nearest;
use super::model::{Case, Suite};

/// A case together with its suite.
#[derive(Clone, Copy, Debug)]
pub struct Pick<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// One of its cases.
    pub case: &'a Case,
}

impl Pick<'_> {
    /// The full id, `nhrp/registration/refresh-third`.
    pub fn id(&self) -> String {
        self.suite.case_id(self.case)
    }
}

/// The cases chosen, in the order of suites and files; never empty.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// The cases.
    pub picks: Vec<Pick<'a>>,
}

/// What to choose. The default chooses everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Ids, beginnings of ids in whole segments, or globs; any of them must fit. Empty means all.
    pub patterns: Vec<String>,
    /// The same for what is left out.
    pub exclude: Vec<String>,
    /// Any of these tags must be there. Empty means all.
    pub tags: Vec<String>,
}

/// Nothing was chosen. That is never what was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SelectError {
    /// A pattern fits no case.
    #[error("no case matches `{pattern}`")]
    #[diagnostic(code(suite::selection))]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// A tag that no case has.
    #[error("no case has the tag `{tag}`")]
    #[diagnostic(code(suite::selection))]
    NoTag {
        /// The tag.
        tag: String,
        /// What to do.
        #[help]
        help: String,
    },
    /// Each part fits some cases, but together they leave none.
    #[error("the selection is empty")]
    #[diagnostic(
        code(suite::selection),
        help(
            "each pattern and tag fits some cases, but no case fits all of them; `cargo lab list` shows what there is"
        )
    )]
    Empty,
}

/// Chooses by patterns alone.
///
/// # Errors
/// If nothing fits, with the nearest id.
pub fn select<'a>(suites: &'a [Suite], patterns: &[String]) -> Result<Selection<'a>, SelectError> {
    select_by(suites, &Filter { patterns: patterns.to_vec(), ..Filter::default() })
}

/// Chooses by patterns, tags and exclusions.
///
/// # Errors
/// If a pattern or tag fits nothing, or nothing is left. An exclusion that fits nothing is an error too: it is most
/// likely misspelt, and what it should have kept out would run.
pub fn select_by<'a>(suites: &'a [Suite], filter: &Filter) -> Result<Selection<'a>, SelectError> {
    let all: Vec<(String, Pick<'a>)> = suites
        .iter()
        .flat_map(|suite| suite.cases.iter().map(move |case| Pick { suite, case }))
        .map(|pick| (pick.id(), pick))
        .collect();
    for pattern in filter.patterns.iter().chain(&filter.exclude) {
        if !all.iter().any(|(id, _)| fits(pattern, id)) {
            return Err(SelectError::NoMatch { pattern: pattern.clone(), help: nearest_id(pattern, suites, &all) });
        }
    }
    for tag in &filter.tags {
        if !all.iter().any(|(_, pick)| pick.case.tags.contains(tag)) {
            let known = all.iter().flat_map(|(_, pick)| pick.case.tags.iter().map(String::as_str));
            let help = match nearest(tag, known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => "`cargo lab list` shows the tags".to_owned(),
            };
            return Err(SelectError::NoTag { tag: tag.clone(), help });
        }
    }
    let chosen = |(id, pick): &(String, Pick<'a>)| {
        let by_id = filter.patterns.is_empty() || filter.patterns.iter().any(|pattern| fits(pattern, id));
        let by_tag = filter.tags.is_empty() || filter.tags.iter().any(|tag| pick.case.tags.contains(tag));
        by_id && by_tag && !filter.exclude.iter().any(|pattern| fits(pattern, id))
    };
    let picks: Vec<Pick<'a>> = all.into_iter().filter(chosen).map(|(_, pick)| pick).collect();
    if picks.is_empty() { Err(SelectError::Empty) } else { Ok(Selection { picks }) }
}

fn nearest_id(pattern: &str, suites: &[Suite], all: &[(String, Pick<'_>)]) -> String {
    let ids = suites.iter().map(|suite| suite.id.as_str()).chain(all.iter().map(|(id, _)| id.as_str()));
    match nearest(pattern.trim_end_matches(['*', '/']), ids) {
        Some(id) => format!("did you mean `{id}`?"),
        None => "`cargo lab list` shows all ids".to_owned(),
    }
}

/// Whether a pattern fits an id: as a whole, or a beginning of it that ends where a segment ends. `*` stands for any
/// characters of a segment, `?` for one, `**` for any number of segments.
pub fn fits(pattern: &str, id: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
    let id: Vec<&str> = id.split('/').collect();
    // reached[i]: the pattern so far fits the first i segments. One row per pattern segment, so it ends in n * m steps.
    let mut reached = vec![false; id.len() + 1];
    reached[0] = true;
    for segment in pattern {
        let mut next = vec![false; id.len() + 1];
        for at in 0..=id.len() {
            if segment == "**" {
                next[at] = reached[at] || (at > 0 && next[at - 1]);
            } else if at > 0 && reached[at - 1] {
                next[at] = segment_fits(segment, id[at - 1]);
            }
        }
        reached = next;
    }
    reached.contains(&true)
}

/// `*` and `?` within one segment, without going back further than the last `*`.
fn segment_fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            // Let the last star take one character more.
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
