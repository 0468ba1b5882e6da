use super::*;
use crate::docker::tests::engine;

fn image(tag: &str, state: State) -> ImageStatus {
    ImageStatus {
        tag: format!("{REPOSITORY}/{tag}"),
        state,
        id: (state != State::Missing).then(|| "sha256:0".to_owned()),
        octets: (state != State::Missing).then_some(200_600_000),
        created: (state != State::Missing).then_some(1_000),
        content: None,
        estimate_s: if state.wants_building() { 420 } else { 0 },
        how: plan::How::Unknown,
    }
}

fn some() -> Vec<ImageStatus> {
    vec![
        image("base:trixie", State::Current),
        image("kernel:0123", State::Missing),
        image("frr:8.4.4", State::Outdated),
        image("frr:10.3", State::Current),
    ]
}

#[test]
fn names_are_taken_with_and_without_repository_and_version() {
    let images = some();
    let all: Vec<&str> = images.iter().map(|image| image.tag.as_str()).collect();
    let tags = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        check_names(&all, &names)?;
        Ok(all.iter().filter(|tag| names.iter().any(|name| is_called(tag, name))).map(|tag| short(tag)).collect())
    };
    assert_eq!(tags(&["frr"]), Ok(vec!["frr:8.4.4", "frr:10.3"]));
    assert_eq!(tags(&["dmvpn-lab/frr:10.3", "base"]), Ok(vec!["base:trixie", "frr:10.3"]));
    let error: UnknownImage = tags(&["frr:10.4"]).unwrap_err();
    assert_eq!((error.name.as_str(), error.help.as_str()), ("frr:10.4", "did you mean `frr:10.3`?"));
    let error = tags(&["xyz"]).unwrap_err();
    assert!(error.help.starts_with("there are: base:trixie, kernel:0123"), "{}", error.help);
}

#[test]
fn people_get_a_table() {
    let expected = "\
IMAGE                  STATE          SIZE  MADE        TO BUILD
dmvpn-lab/base:trixie  up to date   201 MB  50 min ago
dmvpn-lab/kernel:0123  missing                          about 7 min
dmvpn-lab/frr:8.4.4    out of date  201 MB  50 min ago  about 7 min
dmvpn-lab/frr:10.3     up to date   201 MB  50 min ago
";
    assert_eq!(table(&some(), 4_000), expected);
}

#[test]
fn ages_and_sizes_have_units() {
    assert_eq!([age(-5), age(60), age(7_200), age(200_000)], ["just now", "1 min ago", "2 h ago", "2 days ago"]);
    assert_eq!([size(10_000), size(10_472_185), size(1_250_000_000)], ["10 kB", "10 MB", "1.2 GB"]);
}

#[tokio::test]
async fn a_plan_of_this_checkout_covers_everything_that_is_needed() {
    let Some(docker) = engine().await else { return };
    let root = crate::place::root(None).unwrap();
    let wanted = [Wanted::new("frr", "10.3", "trixie")];
    let images = plan(&docker, &root, &wanted).await.unwrap();
    let needed: Vec<&str> = images
        .iter()
        .filter(|image| image.state != State::Unused)
        .map(|image| short(&image.tag).split(':').next().unwrap())
        .collect();
    assert_eq!(needed, ["base", "kernel", "frr"]);
    let json = serde_json::to_value(&images[0]).unwrap();
    assert_eq!(json["tag"], "dmvpn-lab/base:trixie");
}

#[tokio::test]
async fn an_image_can_be_removed_and_is_then_not_there_to_be_removed() {
    let Some(docker) = engine().await else { return };
    // Nothing but a label: an image that costs nothing.
    let archive = Recipe {
        name: "test".to_owned(),
        files: vec![RecipeFile {
            path: "Dockerfile".into(),
            executable: false,
            content: b"FROM scratch\nLABEL a=b\n".to_vec(),
        }],
    }
    .archive()
    .unwrap();
    let tag = format!("{REPOSITORY}/test-{}:1", std::process::id());
    let options = bollard::query_parameters::BuildImageOptionsBuilder::default().t(&tag).rm(true).build();
    let build = docker.build_image(options, None, Some(bollard::body_full(archive.into())));
    futures_util::TryStreamExt::try_collect::<Vec<_>>(build).await.unwrap();

    let images = plan(&docker, Path::new("/nowhere"), &[]).await.unwrap();
    let ours: Vec<ImageStatus> = images.into_iter().filter(|image| image.tag == tag).collect();
    assert_eq!(ours[0].state, State::Unused);
    assert_eq!(remove(&docker, &ours).await.unwrap(), [tag]);
    assert!(remove(&docker, &ours).await.unwrap().is_empty());
}
