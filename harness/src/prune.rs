//! Finds and removes what runs that were killed have left in the engine.
//!
//! A run removes what it makes, also after Ctrl-C; only a process that is killed outright, or a machine that goes down,
//! leaves something. Nothing is touched that does not carry the lab's label. Of what does, only that is left over whose
//! owner is dead: two runs side by side do not disturb each other.

use std::collections::HashMap;

use bollard::{
    Docker,
    errors::Error,
    models::ContainerSummaryStateEnum,
    query_parameters::{
        InspectNetworkOptions, ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveImageOptions,
    },
};
use serde::Serialize;

use crate::{
    docker::{self, LAB, Life, OWNER, Owner},
    images::lock::{self, Lock},
    place,
    world::LabError,
};

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A container.
    Container,
    /// A network.
    Network,
    /// An image without a name, from a build that did not end or that another has followed.
    Image,
}

impl Kind {
    /// The word for people.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Network => "network",
            Kind::Image => "image",
        }
    }
}

/// A thing of the lab in the engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leftover {
    /// What it is. Things are removed in this order, as each may be in use by those before it.
    pub kind: Kind,
    /// Its name, or the beginning of its id if it has none.
    pub name: String,
    /// The engine's id.
    pub id: String,
    /// Why it is left over, or why it is not.
    pub because: String,
}

/// The lab's things in the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What [`remove`] would remove.
    pub leftovers: Vec<Leftover>,
    /// What is in use, or may be.
    pub kept: Vec<Leftover>,
}

/// What came of removing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// What is gone now.
    pub removed: Vec<Leftover>,
    /// What the engine would not remove, with its reason.
    pub refused: Vec<(Leftover, String)>,
}

/// Looks for what is left over. `all`: everything that carries the lab's label counts as left over, also what belongs
/// to runs that are still going on.
///
/// # Errors
/// If the engine does not list its things.
pub async fn find(docker: &Docker, all: bool) -> Result<Found, LabError> {
    let mut found = Found::default();
    let mut sort = |leftover: Option<String>, kind, name: String, id: String| {
        let gone = leftover.is_some() || all;
        let because = leftover.unwrap_or_else(|| match all {
            true => "everything is to go".to_owned(),
            false => "its run goes on, or may do so".to_owned(),
        });
        let thing = Leftover { kind, name, id, because };
        if gone {
            found.leftovers.push(thing)
        } else {
            found.kept.push(thing)
        }
        gone
    };

    let filters = HashMap::from([("label".to_owned(), vec![format!("{LAB}=1")])]);
    let fail = |what: &'static str| move |error: Error| docker::trouble(&format!("{what} can not be listed"), &error);

    // Images that containers will still use then, the lab's or anybody's.
    let mut used_images = Vec::new();
    let options = ListContainersOptionsBuilder::default().all(true).build();
    for container in docker.list_containers(Some(options)).await.map_err(fail("containers"))? {
        let ours = container.labels.as_ref().is_some_and(|labels| labels.get(LAB).is_some_and(|value| value == "1"));
        if !ours {
            used_images.extend(container.image_id);
            continue;
        }
        let id = container.id.unwrap_or_default();
        let names = container.names.unwrap_or_default();
        let name = names.first().map_or_else(|| short(&id).to_owned(), |name| name.trim_start_matches('/').to_owned());
        let running = !matches!(
            container.state,
            Some(
                ContainerSummaryStateEnum::EXITED
                    | ContainerSummaryStateEnum::DEAD
                    | ContainerSummaryStateEnum::CREATED
            )
        );
        if !sort(why_left(&owner(container.labels.as_ref()), running), Kind::Container, name, id) {
            used_images.extend(container.image_id);
        }
    }

    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    for network in docker.list_networks(Some(options)).await.map_err(fail("networks"))? {
        let id = network.id.unwrap_or_default();
        // Who is on it stands in the details only. A network that is gone meanwhile is of no interest.
        let Ok(details) = docker.inspect_network(&id, None::<InspectNetworkOptions>).await else { continue };
        let used = details.containers.is_some_and(|containers| !containers.is_empty());
        let name = network.name.unwrap_or_else(|| short(&id).to_owned());
        sort(why_left(&owner(network.labels.as_ref()), used), Kind::Network, name, id);
    }

    // First stages of a build have no name either while it runs.
    let held = place::cache().ok().map(|cache| Lock::take(&lock::path(&cache)));
    let building = matches!(held, Some(Ok(None)));
    let filters = HashMap::from([
        ("label".to_owned(), vec![format!("{LAB}=1")]),
        ("dangling".to_owned(), vec!["true".to_owned()]),
    ]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    for image in docker.list_images(Some(options)).await.map_err(fail("images"))? {
        // One that is in use can not be removed whoever asks for it: it goes when its container has gone.
        if used_images.contains(&image.id) {
            continue;
        }
        let because = (!building).then(|| "left by a build".to_owned());
        sort(because, Kind::Image, short(&image.id).to_owned(), image.id);
    }
    found.leftovers.sort();
    found.kept.sort();
    Ok(found)
}

/// Removes what was found, containers first.
///
/// # Errors
/// If the engine is gone. What it would not remove is no error, and stands in the result.
pub async fn remove(docker: &Docker, leftovers: &[Leftover]) -> Result<Removed, LabError> {
    let mut ordered = leftovers.to_vec();
    ordered.sort();
    let mut outcome = Removed::default();
    for thing in ordered {
        let gone = match thing.kind {
            Kind::Container => {
                let forced = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
                docker.remove_container(&thing.id, Some(forced)).await
            }
            Kind::Network => docker.remove_network(&thing.id).await,
            Kind::Image => docker.remove_image(&thing.id, None::<RemoveImageOptions>, None).await.map(drop),
        };
        match gone {
            // Images go with those that were made from them.
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => outcome.removed.push(thing),
            Err(Error::DockerResponseServerError { message, .. }) => {
                outcome.refused.push((thing, message.trim().to_owned()));
            }
            Err(error) => return Err(docker::trouble(&format!("{} can not be removed", thing.name), &error)),
        }
    }
    Ok(outcome)
}

impl Removed {
    /// For people: a line for each thing and a last one with the numbers, or `nothing to remove`.
    pub fn text(&self) -> String {
        if self.removed.is_empty() && self.refused.is_empty() {
            return "nothing to remove\n".to_owned();
        }
        let mut text = String::new();
        for thing in &self.removed {
            text += &format!("removed {} {} ({})\n", thing.kind.words(), thing.name, thing.because);
        }
        for (thing, reason) in &self.refused {
            text += &format!("kept {} {}: {reason}\n", thing.kind.words(), thing.name);
        }
        let counts = [Kind::Container, Kind::Network, Kind::Image].map(|kind| {
            let number = self.removed.iter().filter(|thing| thing.kind == kind).count();
            format!("{number} {}{}", kind.words(), if number == 1 { "" } else { "s" })
        });
        text + &format!("removed {}\n", counts.join(", "))
    }
}

/// What the labels say about the owner.
enum Claim {
    /// This one.
    By(Owner),
    /// Nothing: made by hand from one of our images, whose label it inherits, or a step of a build.
    None,
}

fn owner(labels: Option<&HashMap<String, String>>) -> Claim {
    match labels.and_then(|labels| labels.get(OWNER)).and_then(|text| text.parse().ok()) {
        Some(owner) => Claim::By(owner),
        None => Claim::None,
    }
}

/// Why something is left over, if it is. `used`: a container runs, a network has containers.
fn why_left(claim: &Claim, used: bool) -> Option<String> {
    let Claim::By(owner) = claim else { return None };
    match (owner.life(), used) {
        (Life::Dead, _) => Some(format!("process {} is dead", owner.pid())),
        // Its process can not be asked about. What still runs may belong to somebody on another machine.
        (Life::Unknown, false) => Some(format!("process {} was before this boot, or elsewhere", owner.pid())),
        (Life::Unknown, true) | (Life::Alive, _) => None,
    }
}

fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use bollard::models::NetworkCreateRequest;

    use super::*;
    use crate::docker::tests::engine;

    /// A number that no process has: the kernel gives out none beyond four million.
    const NOBODY: u32 = 4_000_000_000;

    fn by(text: &str) -> Claim {
        Claim::By(text.parse().unwrap())
    }

    #[test]
    fn only_what_nobody_can_be_using_is_left_over() {
        let here = Owner::here().to_string();
        let dead = here.replace(&format!("{}@", std::process::id()), &format!("{NOBODY}@"));
        assert_eq!(why_left(&by(&here), false), None);
        assert_eq!(why_left(&by(&dead), true), Some(format!("process {NOBODY} is dead")));
        assert_eq!(why_left(&by("7@elsewhere"), true), None);
        assert!(why_left(&by("7@elsewhere"), false).is_some());
        assert_eq!(why_left(&Claim::None, false), None);
    }

    #[test]
    fn people_are_told_what_went() {
        assert_eq!(Removed::default().text(), "nothing to remove\n");
        let thing = |kind, name: &str| Leftover {
            kind,
            name: name.into(),
            id: "0".into(),
            because: "process 7 is dead".into(),
        };
        let removed = Removed {
            removed: vec![thing(Kind::Container, "hub"), thing(Kind::Container, "spoke"), thing(Kind::Network, "wan")],
            refused: vec![(thing(Kind::Image, "0123"), "in use".into())],
        };
        let expected = "\
removed container hub (process 7 is dead)
removed container spoke (process 7 is dead)
removed network wan (process 7 is dead)
kept image 0123: in use
removed 2 containers, 1 network, 0 images
";
        assert_eq!(removed.text(), expected);
    }

    #[tokio::test]
    async fn a_dead_owners_network_goes_and_a_living_ones_stays() {
        let Some(docker) = engine().await else { return };
        let dead = Owner::here().to_string().replace(&format!("{}@", std::process::id()), &format!("{NOBODY}@"));
        let mut names = Vec::new();
        for (word, owner) in [("dead", dead), ("alive", Owner::here().to_string())] {
            let name = format!("dmvpn-lab-prune-{word}-{}", std::process::id());
            let labels = HashMap::from([(LAB.to_owned(), "1".to_owned()), (OWNER.to_owned(), owner)]);
            let request = NetworkCreateRequest { name: name.clone(), labels: Some(labels), ..Default::default() };
            docker.create_network(request).await.unwrap();
            names.push(name);
        }
        let found = find(&docker, false).await.unwrap();
        // Others may work with the same engine: only what this test has made is touched.
        let ours: Vec<Leftover> = found.leftovers.into_iter().filter(|thing| thing.name.contains("-prune-")).collect();
        assert!(ours.iter().any(|thing| thing.name == names[0]) && ours.iter().all(|thing| thing.name != names[1]));
        assert!(found.kept.iter().any(|thing| thing.name == names[1]));
        let outcome = remove(&docker, &ours).await.unwrap();
        assert!(outcome.removed.iter().any(|thing| thing.name == names[0]), "{outcome:?}");
        docker.remove_network(&names[1]).await.unwrap();
    }
}
