//! Where things lie on this machine: the checkout with its recipes and suites, captures, and the user's cache.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::suite::{CaptureDecl, Shelf};
use crate::world::LabError;

/// What a folder has if it is a checkout of the lab; `containers` alone is in many another project, too.
const MARK: &str = "containers/kernel/Dockerfile";

/// The checkout: `explicit` (the option `--root`) if given, else the nearest folder with the lab's recipes in it, from
/// the current one upwards. `containers/` and `suites/` are read from there.
///
/// # Errors
/// `lab.root` if there is none.
pub fn root(explicit: Option<&Path>) -> Result<PathBuf, LabError> {
    let start = match explicit {
        Some(path) => path.to_owned(),
        None => env::current_dir().map_err(|error| {
            LabError::environment(
                "lab.root",
                format!("the current folder can not be read: {error}"),
                "give `--root DIR`",
            )
        })?,
    };
    find_root(&start, explicit.is_some())
}

fn find_root(start: &Path, exactly: bool) -> Result<PathBuf, LabError> {
    let upwards = start.ancestors().take(if exactly { 1 } else { usize::MAX });
    upwards.map(Path::to_owned).find(|folder| folder.join(MARK).is_file()).ok_or_else(|| {
        let above = if exactly { "" } else { ", nor any folder above it," };
        LabError::environment(
            "lab.root",
            format!("{}{above} is not a checkout of the lab: there is no `{MARK}`", start.display()),
            "run it inside the checkout, or give the checkout's place with `--root DIR`",
        )
    })
}

/// The variable that says where captures lie which may not be copied into the project.
pub const CAPTURES: &str = "DMVPN_LAB_CAPTURES";

/// The folders that captures are found in.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    checkout: PathBuf,
    third_party: Option<PathBuf>,
}

/// A capture on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFiles {
    /// The capture.
    pub file: PathBuf,
    /// A table of keys, or a folder of them.
    pub keys: Option<PathBuf>,
}

impl Captures {
    /// Those of a checkout, and those of others in the folder that [`CAPTURES`] says.
    pub fn of(checkout: &Path) -> Self {
        let third_party = env::var_os(CAPTURES).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { checkout: checkout.to_owned(), third_party }
    }

    /// Those of a checkout, and those of others in this folder.
    pub fn with(checkout: &Path, third_party: Option<&Path>) -> Self {
        Self { checkout: checkout.to_owned(), third_party: third_party.map(Path::to_owned) }
    }

    /// Where a capture and its keys lie.
    ///
    /// # Errors
    /// Why it is none that this machine has to have: its folder is not there. A file that is missing in its folder is no
    /// such error, but one that shows when it is read.
    pub fn files(&self, capture: &CaptureDecl) -> Result<CaptureFiles, String> {
        let folder = match (capture.from, &self.third_party) {
            (Shelf::Project, _) => &self.checkout,
            (Shelf::ThirdParty, Some(folder)) if folder.is_dir() => folder,
            (Shelf::ThirdParty, Some(folder)) => {
                return Err(format!("{CAPTURES} says {}, which is no folder", folder.display()));
            }
            (Shelf::ThirdParty, None) => {
                let file = &capture.file;
                return Err(format!("{file} is of others: set {CAPTURES} to the folder with their captures"));
            }
        };
        let keys = capture.keys.as_ref().map(|keys| folder.join(keys));
        Ok(CaptureFiles { file: folder.join(&capture.file), keys })
    }

    /// How a suite names this file, wherever it lies.
    pub fn name(&self, path: &Path) -> (Shelf, PathBuf) {
        let below = |folder: &Path| {
            let (path, folder) = (std::fs::canonicalize(path).ok()?, std::fs::canonicalize(folder).ok()?);
            path.strip_prefix(folder).ok().map(Path::to_owned)
        };
        if let Some(name) = self.third_party.as_deref().and_then(below) {
            return (Shelf::ThirdParty, name);
        }
        let name = below(&self.checkout).or_else(|| std::path::absolute(path).ok());
        (Shelf::Project, name.unwrap_or_else(|| path.to_owned()))
    }
}

/// The user's cache folder of the lab, made if need be: `$XDG_CACHE_HOME/dmvpn-lab`, else `~/.cache/dmvpn-lab`.
/// Everything in it can be made again.
///
/// # Errors
/// `cache.unusable` if there is no such place or it can not be written.
pub fn cache() -> Result<PathBuf, LabError> {
    let var = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    make_cache(var("XDG_CACHE_HOME"), var("HOME"))
}

fn make_cache(cache_home: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf, LabError> {
    let remedy = "set XDG_CACHE_HOME to a folder that you may write to";
    // The specification of that variable says that relative paths are to be ignored.
    let parent = cache_home
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| home.join(".cache")))
        .ok_or_else(|| LabError::environment("cache.unusable", "neither XDG_CACHE_HOME nor HOME is set", remedy))?;
    let folder = parent.join("dmvpn-lab");
    std::fs::create_dir_all(&folder).map_err(|error| {
        LabError::environment("cache.unusable", format!("{} can not be made: {error}", folder.display()), remedy)
    })?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: LabError) -> (String, String, String) {
        match error {
            LabError::Environment { cause, problem, remedy } => (cause, problem, remedy),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_root_is_the_nearest_folder_with_recipes_or_exactly_the_given_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("containers/kernel")).unwrap();
        std::fs::write(folder.path().join(MARK), "").unwrap();
        let inner = folder.path().join("suites/nhrp");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(find_root(&inner, false).unwrap(), folder.path());
        assert_eq!(find_root(folder.path(), true).unwrap(), folder.path());
        let (cause, problem, remedy) = said(find_root(&inner, true).unwrap_err());
        assert_eq!(cause, "lab.root");
        assert!(problem.contains("suites/nhrp is not a checkout") && remedy.contains("--root"), "{problem} {remedy}");
    }

    #[test]
    fn the_cache_is_where_the_user_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = || Some(folder.path().to_owned());
        assert_eq!(make_cache(None, home()).unwrap(), folder.path().join(".cache/dmvpn-lab"));
        assert_eq!(make_cache(Some(folder.path().join("x")), home()).unwrap(), folder.path().join("x/dmvpn-lab"));
        assert_eq!(make_cache(Some("relative".into()), home()).unwrap(), folder.path().join(".cache/dmvpn-lab"));
        std::fs::write(folder.path().join("file"), "").unwrap();
        let (cause, ..) = said(make_cache(Some(folder.path().join("file")), None).unwrap_err());
        assert_eq!(cause, "cache.unusable");
        assert_eq!(said(make_cache(None, None).unwrap_err()).0, "cache.unusable");
    }
}
