//! What the store has, compared with what a checkout asks for; removing it; and what dead builds have left.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;

use super::{MAKING, Store, discard, kernel, lock_path, root};
use crate::{
    images::{KERNEL, Line, Recipe, State, Wanted, drawn, lock::Lock},
    world::LabError,
};

/// What kind of thing an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The lab's kernel.
    Kernel,
    /// The root of a router.
    Root,
}

/// A thing that should be in the store, or is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// What it is.
    pub kind: Kind,
    /// `kernel:<hash>` or `frr:10.3`.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// The folder with all of it, there or not.
    pub path: PathBuf,
    /// The version of the package that it was made from.
    pub package: Option<String>,
    /// Its size.
    pub octets: Option<u64>,
    /// When it was made, in seconds of the Unix clock.
    pub created: Option<i64>,
    /// How long making it on this machine takes, roughly; nothing if it is there.
    pub estimate_s: u64,
}

impl Asset {
    /// How long making it on this machine takes, roughly.
    pub fn estimate(&self) -> Duration {
        Duration::from_secs(self.estimate_s)
    }
}

/// Assets as a table for people. `now`: seconds of the Unix clock.
pub fn table(assets: &[Asset], now: i64) -> String {
    let line = |asset: &Asset| Line {
        name: match &asset.package {
            Some(package) => format!("{} ({package})", asset.name),
            None => asset.name.clone(),
        },
        state: asset.state,
        octets: asset.octets,
        created: asset.created,
        estimate: asset.estimate(),
    };
    drawn("FOR GUESTS", assets.iter().map(line), now)
}

impl Store {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.cache
    }

    /// The kernel and the roots that `wanted` needs, each with its state; behind them what nothing here asks for. No
    /// engine is asked.
    ///
    /// # Errors
    /// If a recipe is not there.
    pub fn list(&self, wanted: &[Wanted]) -> Result<Vec<Asset>, LabError> {
        let mut assets = Vec::new();
        if !wanted.is_empty() {
            let hash = kernel::hash(&Recipe::load(&self.checkout, KERNEL)?);
            let folder = kernel::folder(&self.cache, &hash);
            let there = kernel::find(&self.cache, &hash).is_some();
            let state = if there { State::Current } else { State::Missing };
            assets.push(self.kernel_asset(&hash, folder, state));
        }
        for one in wanted {
            let order = root::Order::load(&self.checkout, one)?;
            let folder = root::folder(&self.cache, &order);
            let state = match root::record(&folder) {
                Some(_) if root::is_complete(&folder, &order) => State::Current,
                Some(_) => State::Incomplete,
                None => State::Missing,
            };
            assets.push(root_asset(order.name(), folder, state));
        }
        let asked: Vec<PathBuf> = assets.iter().map(|asset| asset.path.clone()).collect();
        let others = |parent: PathBuf| folders(&parent).into_iter().filter(|folder| !asked.contains(folder));
        for folder in others(kernel::kernels(&self.cache)) {
            let hash = name(&folder);
            assets.push(self.kernel_asset(&hash, folder, State::Unused));
        }
        for folder in others(root::roots(&self.cache)) {
            let known = root::record(&folder).map(|record| format!("{}:{}", record.recipe, record.version));
            assets.push(root_asset(known.unwrap_or_else(|| name(&folder)), folder, State::Unused));
        }
        // Of what is asked for and only there as it was before, people know that it will be made again.
        for index in 0..assets.len() {
            let (kind, name) = (assets[index].kind, assets[index].name.clone());
            let older = |asset: &Asset| asset.kind == kind && asset.name == name && asset.state == State::Unused;
            if assets[index].state == State::Missing && assets.iter().any(older) {
                assets[index].state = State::Outdated;
            }
        }
        Ok(assets)
    }

    /// Removes assets. Returns the names of those that were there.
    ///
    /// # Errors
    /// `store.in-use` while another process makes something; if the file system refuses.
    pub fn remove(&self, assets: &[Asset]) -> Result<Vec<String>, LabError> {
        let Some(_lock) = Lock::take(&lock_path(&self.cache))? else {
            return Err(LabError::environment(
                "store.in-use",
                "another process of the lab is making something in the cache",
                "wait until it is done",
            ));
        };
        let mut removed = Vec::new();
        for asset in assets.iter().filter(|asset| asset.path.exists()) {
            match asset.kind {
                Kind::Kernel => discard(&asset.path)?,
                Kind::Root => root::remove(&asset.path)?,
            }
            removed.push(asset.name.clone());
        }
        Ok(removed)
    }

    fn kernel_asset(&self, hash: &str, folder: PathBuf, state: State) -> Asset {
        let kernel = kernel::find(&self.cache, hash);
        Asset {
            kind: Kind::Kernel,
            name: format!("{KERNEL}:{hash}"),
            state,
            created: created(&folder),
            path: folder,
            package: kernel.as_ref().map(|kernel| kernel.version.clone()),
            octets: kernel.map(|kernel| kernel.octets),
            estimate_s: if state.wants_building() { kernel::estimate().as_secs() } else { 0 },
        }
    }
}

fn root_asset(name: String, folder: PathBuf, state: State) -> Asset {
    let record = root::record(&folder);
    Asset {
        kind: Kind::Root,
        name,
        state,
        created: created(&folder),
        path: folder,
        package: record.as_ref().and_then(|record| record.package.clone()),
        octets: record.map(|record| record.octets),
        estimate_s: if state.wants_building() { root::BOOTSTRAP_TIME.as_secs() } else { 0 },
    }
}

/// Removes what builds that were killed have left in the cache, and returns what that was. Nothing while one goes on: it
/// may be its own.
pub(crate) fn remove_half_made(cache: &Path) -> Result<Vec<PathBuf>, LabError> {
    let Some(_lock) = Lock::take(&lock_path(cache))? else { return Ok(Vec::new()) };
    let found = folders(&cache.join(MAKING));
    for folder in &found {
        discard(folder)?;
    }
    Ok(found)
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn created(folder: &Path) -> Option<i64> {
    fs::metadata(folder).ok().map(|meta| meta.mtime())
}
