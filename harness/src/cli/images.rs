//! `cargo lab images`: what real routers run from. Images for containers are in an engine; a kernel and roots for
//! guests are in the user's cache, and need no engine.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::infra::{block_on, wanted};
use super::{Trouble, out};
use crate::images::{self, ImageStatus, REPOSITORY, State, Wanted};
use crate::progress::Progress;
use crate::report::{ColorChoice, Terminal, Verbosity};
use crate::store::{self, Asset, Kind, Store};
use crate::world::LabError;
use crate::{docker, subject};

/// Which images, and what to do with them.
#[derive(Debug, Args)]
pub(super) struct ImagesArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what there is (the default).
    List {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Build what is missing or out of date.
    Build {
        /// Only these subjects, such as `frr:10.3`; all by default.
        subjects: Vec<String>,
        /// For this driver of world `real` only; by default for guests, and for containers where an engine answers.
        #[arg(long, value_enum)]
        driver: Option<For>,
    },
    /// Remove what was built.
    Remove {
        /// Only these subjects; everything of the lab by default.
        subjects: Vec<String>,
        /// What this driver uses only; by default both.
        #[arg(long, value_enum)]
        driver: Option<For>,
    },
}

/// Which driver of world `real`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    /// Kernel and roots in the user's cache.
    Guest,
    /// Images in a container engine.
    Container,
}

/// All that there is or should be.
struct Stock<'a> {
    root: &'a Path,
    wanted: Vec<Wanted>,
    store: Store,
    assets: Vec<Asset>,
    /// What the engine has, or why that is not known.
    engine: Result<(bollard::Docker, Vec<ImageStatus>), LabError>,
}

pub(super) fn run(args: &ImagesArgs, explicit: Option<&Path>, color: ColorChoice) -> Result<ExitCode, Trouble> {
    let root = super::root(explicit)?;
    let implementations = subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?;
    let wanted: Vec<Wanted> = implementations
        .iter()
        .flat_map(|known| known.versions.iter().map(|release| wanted(&known.image.recipe, release)))
        .collect();
    block_on(async {
        let store = Store::open(&root)?;
        let assets = store.list(&wanted)?;
        let engine = match docker::connect().await {
            Ok(docker) => images::plan(&docker, &root, &wanted).await.map(|images| (docker, images)),
            Err(error) => Err(error),
        };
        let stock = Stock { root: &root, wanted, store, assets, engine };
        match &args.action {
            None | Some(Action::List { json: false }) => stock.show(),
            Some(Action::List { json: true }) => stock.show_json(),
            Some(Action::Build { subjects, driver }) => {
                let progress = Progress::new(Box::new(std::io::stderr()), Terminal::stderr(color), Verbosity::Normal);
                let outcome = stock.build(subjects, *driver, &progress).await;
                progress.close();
                outcome?;
            }
            Some(Action::Remove { subjects, driver }) => stock.remove(subjects, *driver).await?,
        }
        Ok(ExitCode::SUCCESS)
    })?
}

impl Stock<'_> {
    fn show(&self) {
        let now = jiff::Timestamp::now().as_second();
        match &self.engine {
            Ok((_, images)) => out(&images::table(images, now)),
            Err(error) => say!("no images for containers: {error}"),
        }
        say!("");
        out(&store::table(&self.assets, now));
        say!("in {}", self.store.folder().display());
    }

    fn show_json(&self) {
        let (images, engine) = match &self.engine {
            Ok((_, images)) => (Some(images), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let cache = self.store.folder().display().to_string();
        say!(
            "{:#}",
            serde_json::json!({ "schema": 2, "images": images, "no_images": engine, "cache": cache, "assets": self.assets })
        );
    }

    /// What the engine has; `None` where there is no engine and nobody insists on one.
    fn images(&self, driver: Option<For>) -> Result<Option<&(bollard::Docker, Vec<ImageStatus>)>, LabError> {
        match (&self.engine, driver) {
            (_, Some(For::Guest)) => Ok(None),
            (Ok(engine), _) => Ok(Some(engine)),
            (Err(error), Some(For::Container)) => Err(error.clone()),
            (Err(error), None) => {
                eprintln!("images for containers are left out: {error}");
                Ok(None)
            }
        }
    }

    /// What the store has that is called so, if it is asked about.
    fn assets(&self, names: &[String], driver: Option<For>) -> Vec<&Asset> {
        let called = |asset: &Asset| names.is_empty() || names.iter().any(|name| images::is_called(&asset.name, name));
        self.assets.iter().filter(|asset| driver != Some(For::Container) && called(asset)).collect()
    }

    fn check(&self, names: &[String]) -> Result<(), Trouble> {
        let images = self.engine.as_ref().map(|(_, images)| images.as_slice()).unwrap_or_default();
        let tags = images.iter().map(|image| image.tag.as_str());
        let tags: Vec<&str> = tags.chain(self.assets.iter().map(|asset| asset.name.as_str())).collect();
        images::check_names(&tags, names).map_err(|error| Trouble::Usage(error.into()))
    }

    async fn build(&self, subjects: &[String], driver: Option<For>, progress: &Progress) -> Result<(), Trouble> {
        self.check(subjects)?;
        let (mut built, mut total) = (0, 0);
        // Images first: what guests need is then taken out of them.
        if let Some((docker, images)) = self.images(driver)? {
            let chosen = self.needed_images(docker, images, subjects).await?;
            built += images::build(docker, &chosen, progress).await?.len();
            total += chosen.len();
        }
        let chosen = self.assets(subjects, driver);
        let chosen: Vec<&&Asset> = chosen.iter().filter(|asset| asset.state != State::Unused).collect();
        let any_root = chosen.iter().any(|asset| asset.kind == Kind::Root);
        // A router needs a kernel to run on, whoever asks for the router only.
        let kernels = self.assets.iter().filter(|asset| asset.kind == Kind::Kernel && asset.state != State::Unused);
        let kernels: Vec<&Asset> =
            kernels.filter(|asset| any_root || chosen.iter().any(|one| one.name == asset.name)).collect();
        for kernel in &kernels {
            self.store.kernel(progress).await?;
            built += usize::from(kernel.state.wants_building());
        }
        let roots: Vec<&&&Asset> = chosen.iter().filter(|asset| asset.kind == Kind::Root).collect();
        for root in &roots {
            let named = |wanted: &&Wanted| format!("{}:{}", wanted.recipe, wanted.version) == root.name;
            if let Some(wanted) = self.wanted.iter().find(named) {
                self.store.root(wanted, progress).await?;
                built += usize::from(root.state.wants_building());
            }
        }
        total += kernels.len() + roots.len();
        say!("{built} built, {} up to date", total - built);
        Ok(())
    }

    /// What has to be built for these subjects, with everything that they stand on.
    async fn needed_images(
        &self,
        docker: &bollard::Docker,
        images: &[ImageStatus],
        subjects: &[String],
    ) -> Result<Vec<ImageStatus>, LabError> {
        let needed = |image: &ImageStatus| image.state != State::Unused;
        if subjects.is_empty() {
            return Ok(images.iter().filter(|image| needed(image)).cloned().collect());
        }
        let called = |tag: &str| subjects.iter().any(|name| images::is_called(tag, name));
        let some: Vec<Wanted> = self.wanted.iter().filter(|wanted| called(&wanted.tag())).cloned().collect();
        // What routers stand on may be asked for by itself.
        let mut needs: Vec<ImageStatus> = images.iter().filter(|image| called(&image.tag)).cloned().collect();
        needs.retain(|image| image.tag.starts_with(&format!("{REPOSITORY}/base:")));
        if called(images::KERNEL) {
            needs.extend(images::plan_kernel(docker, self.root).await?);
        }
        needs.extend(images::plan(docker, self.root, &some).await?);
        let mut chosen: Vec<ImageStatus> = Vec::new();
        for image in needs.into_iter().filter(needed) {
            if !chosen.iter().any(|one| one.tag == image.tag) {
                chosen.push(image);
            }
        }
        Ok(chosen)
    }

    async fn remove(&self, subjects: &[String], driver: Option<For>) -> Result<(), Trouble> {
        self.check(subjects)?;
        if let Some((docker, images)) = self.images(driver)? {
            let called = |tag: &str| subjects.is_empty() || subjects.iter().any(|name| images::is_called(tag, name));
            let chosen: Vec<ImageStatus> = images.iter().filter(|image| called(&image.tag)).cloned().collect();
            for tag in images::remove(docker, &chosen).await? {
                say!("removed {tag}");
            }
        }
        let chosen: Vec<Asset> = self.assets(subjects, driver).into_iter().cloned().collect();
        for name in self.store.remove(&chosen)? {
            say!("removed {name} for guests");
        }
        Ok(())
    }
}
