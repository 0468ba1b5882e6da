//! Recipes: the folders under `containers/`, as data.
//!
//! A recipe is read once and used twice: handed to the engine as an archive, and hashed, so that an image tells by its
//! label whether it was made from the recipe as it is now. A root filesystem without an engine can be made from the
//! same files; nothing in here knows about containers.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::world::LabError;

/// The files of one folder under `containers/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The folder's name.
    pub name: String,
    /// In the order of their paths.
    pub files: Vec<RecipeFile>,
}

/// A file of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeFile {
    /// Relative to the recipe's folder.
    pub path: PathBuf,
    /// Whether it may be executed: all that the engine and the checkout agree on among permissions.
    pub executable: bool,
    /// What is in it.
    pub content: Vec<u8>,
}

impl Recipe {
    /// Reads `containers/<name>` of a checkout.
    ///
    /// # Errors
    /// `recipe.missing` if there is no such recipe, `recipe.unreadable` if a file can not be read.
    pub fn load(root: &Path, name: &str) -> Result<Recipe, LabError> {
        let folder = root.join("containers").join(name);
        if !folder.join("Dockerfile").is_file() {
            return Err(LabError::environment(
                "recipe.missing",
                format!("there is no recipe `{name}`: {} has no Dockerfile", folder.display()),
                "correct `image.recipe` in the implementation's file, or the option `--root`",
            ));
        }
        let mut files = Vec::new();
        collect(&folder, Path::new(""), &mut files).map_err(|error| {
            LabError::environment(
                "recipe.unreadable",
                format!("the recipe {} can not be read: {error}", folder.display()),
                "make its files readable for this user",
            )
        })?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Recipe { name: name.to_owned(), files })
    }

    /// The archive that the engine builds from. The same recipe always gives the same octets.
    ///
    /// # Errors
    /// If a path is too long for an archive.
    pub fn archive(&self) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for file in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(file.content.len() as u64);
            header.set_mode(if file.executable { 0o755 } else { 0o644 });
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            archive.append_data(&mut header, &file.path, file.content.as_slice())?;
        }
        archive.into_inner()
    }

    /// The hash over the contents alone, one after the other: `cat * | sha256sum`.
    pub(crate) fn plain_hash(&self) -> String {
        let mut hash = Sha256::new();
        for file in &self.files {
            hash.update(&file.content);
        }
        hex(hash)
    }

    /// Adds everything to a hash.
    pub(crate) fn hash(&self, hash: &mut Content) {
        hash.add(self.name.as_bytes());
        for file in &self.files {
            hash.add(file.path.as_os_str().as_encoded_bytes());
            hash.add(if file.executable { b"x" } else { b"-" });
            hash.add(&file.content);
        }
    }
}

fn collect(folder: &Path, inside: &Path, files: &mut Vec<RecipeFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        // `metadata` of the path and not of the entry: links count as what they lead to.
        let meta = fs::metadata(folder.join(&path))?;
        if is_beside_the_point(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if meta.is_dir() {
            collect(folder, &path, files)?;
        } else {
            let content = fs::read(folder.join(&path))?;
            files.push(RecipeFile { path, executable: meta.permissions().mode() & 0o111 != 0, content });
        }
    }
    Ok(())
}

/// What editors leave about, and texts for people: a better sentence in a README is no reason to compile a kernel.
fn is_beside_the_point(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".md")
}

/// A hash over things of which none can be mistaken for a part of another.
pub(crate) struct Content(Sha256);

impl Content {
    /// Of one kind of thing: another kind, or another revision of how it is made, never has the same hash.
    pub(crate) fn of(kind: &str) -> Content {
        let mut this = Content(Sha256::new());
        this.add(kind.as_bytes());
        this
    }

    /// Adds one thing, with its length in front.
    pub(crate) fn add(&mut self, octets: &[u8]) {
        self.0.update((octets.len() as u64).to_be_bytes());
        self.0.update(octets);
    }

    /// The hash in lower-case hex.
    pub(crate) fn finish(self) -> String {
        hex(self.0)
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn checkout(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join("containers").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn hash(recipe: &Recipe) -> String {
        let mut hash = Content::of("test");
        recipe.hash(&mut hash);
        hash.finish()
    }

    #[test]
    fn the_archive_holds_the_recipe_and_nothing_of_the_moment() {
        let root = checkout(&[
            ("x/Dockerfile", "FROM scratch\n"),
            ("x/build", "#!/bin/sh\n"),
            ("x/etc/conf", "a"),
            ("x/.swp", ""),
        ]);
        let script = root.path().join("containers/x/build");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let recipe = Recipe::load(root.path(), "x").unwrap();
        let archive = recipe.archive().unwrap();
        let mut read = tar::Archive::new(archive.as_slice());
        let entries: Vec<(String, u32, u64, String)> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let header = entry.header();
                let (mode, mtime) = (header.mode().unwrap(), header.mtime().unwrap());
                (entry.path().unwrap().display().to_string(), mode, mtime, text)
            })
            .collect();
        let wanted =
            [("Dockerfile", 0o644, "FROM scratch\n"), ("build", 0o755, "#!/bin/sh\n"), ("etc/conf", 0o644, "a")];
        assert_eq!(entries, wanted.map(|(path, mode, text)| (path.to_owned(), mode, 0, text.to_owned())));
        assert_eq!(archive, Recipe::load(root.path(), "x").unwrap().archive().unwrap());
    }

    #[test]
    fn whatever_makes_another_image_makes_another_hash() {
        let first = Recipe::load(checkout(&[("x/Dockerfile", "FROM a"), ("x/b", "c")]).path(), "x").unwrap();
        for files in [
            [("x/Dockerfile", "FROM b"), ("x/b", "c")],
            [("x/Dockerfile", "FROM a"), ("x/c", "c")],
            [("x/Dockerfile", "FROM ab"), ("x/b", "")],
        ] {
            let other = Recipe::load(checkout(&files).path(), "x").unwrap();
            assert_ne!(hash(&first), hash(&other), "{files:?}");
        }
        let mut executable = first.clone();
        executable.files[1].executable = true;
        assert_ne!(hash(&first), hash(&executable));
        let commented =
            checkout(&[("x/Dockerfile", "FROM a"), ("x/b", "c"), ("x/README.md", "better"), ("x/b~", "old")]);
        assert_eq!(hash(&first), hash(&Recipe::load(commented.path(), "x").unwrap()));
    }

    #[test]
    fn the_plain_hash_is_that_of_the_shell() {
        let root = checkout(&[("x/Dockerfile", "a"), ("x/build", "b"), ("x/uml.config", "c"), ("x/README.md", "d")]);
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Recipe::load(root.path(), "x").unwrap().plain_hash(), wanted);
    }

    #[test]
    fn a_recipe_that_is_not_there_is_said_so() {
        let root = checkout(&[("x/build", "")]);
        match Recipe::load(root.path(), "x") {
            Err(LabError::Environment { cause, problem, .. }) => {
                assert_eq!(cause, "recipe.missing");
                assert!(problem.contains("containers/x has no Dockerfile"), "{problem}");
            }
            other => panic!("{other:?}"),
        }
    }
}
