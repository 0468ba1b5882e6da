//! The connection to the container engine, and how what the lab makes there is marked.
//!
//! Every container, network and image of the lab has the label [`LAB`]; containers and networks also say whose they
//! are ([`Owner`]), so that what a killed run left behind can be told from what a running one uses.

mod label;
mod refusal;

use std::{env, os::unix::net::UnixStream, path::Path, time::Duration};

use bollard::{Docker, errors::Error};

pub use label::{CONTENT, LAB, Life, OWNER, Owner, owned};
pub(crate) use refusal::find_program;
pub use refusal::trouble;
use refusal::{Machine, Refusal};

use crate::world::LabError;

/// Where an engine listens if nothing says otherwise.
const USUAL_HOST: &str = "unix:///var/run/docker.sock";

/// How long an engine may take to answer its first question. One that is starting up takes a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// The oldest API that the lab's requests exist in: that of Docker 19.03.
const OLDEST: (usize, usize) = (1, 40);

/// Connects to the engine that `DOCKER_HOST` names, or to the usual one, and agrees with it on a version.
///
/// # Errors
/// `docker.unreachable`, `docker.permission` or `docker.too-old`, each with what to do about it.
pub async fn connect() -> Result<Docker, LabError> {
    let named = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    connect_to(named.as_deref()).await
}

/// As [`connect`], to an engine that is not taken from the environment.
///
/// # Errors
/// As those of [`connect`].
pub async fn connect_to(named: Option<&str>) -> Result<Docker, LabError> {
    let host = named.unwrap_or(USUAL_HOST);
    let docker = reach(host).await.map_err(|refusal| refusal.explain(host, named.is_some(), &Machine::here()))?;
    Ok(docker)
}

async fn reach(host: &str) -> Result<Docker, Refusal> {
    // Asked before bollard is, which only looks whether the file exists and then reports an error of HTTP.
    if let Some(path) = host.strip_prefix("unix://") {
        UnixStream::connect(path).map_err(|error| Refusal::of_socket(Path::new(path), &error))?;
    }
    if env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty()) && !host.starts_with("unix://") {
        return Err(Refusal::Scheme);
    }
    let docker = Docker::connect_with_host(host).map_err(|error| match error {
        Error::UnsupportedURISchemeError { .. } => Refusal::Scheme,
        other => Refusal::of_client(&other),
    })?;
    // The deadline is ours as well: bollard's covers the answer, not the connection to a host that drops packets.
    let docker = tokio::time::timeout(PATIENCE, docker.negotiate_version())
        .await
        .map_err(|_| Refusal::Silent(PATIENCE))?
        .map_err(|error| Refusal::of_client(&error))?;
    let version = docker.client_version();
    if (version.major_version, version.minor_version) < OLDEST {
        return Err(Refusal::TooOld { has: (version.major_version, version.minor_version), needs: OLDEST });
    }
    Ok(docker)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An engine for a test; `None`, with a line that says so, where there is none and tests may be skipped.
    pub(crate) async fn engine() -> Option<Docker> {
        match connect().await {
            Ok(docker) => Some(docker),
            Err(LabError::Environment { cause, problem, .. }) => {
                assert!(
                    env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"),
                    "skips are denied, and there is no engine: {cause}: {problem}"
                );
                println!("skip: {cause} {problem}");
                None
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn refused(host: &str) -> (String, String, String) {
        match connect_to(Some(host)).await {
            Err(LabError::Environment { cause, problem, remedy }) => (cause, problem, remedy),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_unreachable() {
        let (cause, problem, remedy) = refused("unix:///nowhere/docker.sock").await;
        assert_eq!(cause, "docker.unreachable");
        assert!(problem.contains("/nowhere/docker.sock") && problem.contains("no such socket"), "{problem}");
        assert!(remedy.contains("unset DOCKER_HOST"), "{remedy}");

        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (cause, problem, _) = refused(&format!("tcp://127.0.0.1:{port}")).await;
        assert_eq!(cause, "docker.unreachable");
        assert!(problem.contains("refused"), "{problem}");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_is_unreachable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (cause, problem, remedy) = refused(&format!("unix://{}", path.display())).await;
        assert_eq!(cause, "docker.unreachable");
        assert!(problem.contains("nobody listens"), "{problem}");
        assert!(remedy.contains("start"), "{remedy}");
    }

    #[tokio::test]
    async fn something_else_than_an_engine_is_told_apart() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        let answer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
        });
        let (cause, problem, _) = refused(&host).await;
        answer.await.unwrap();
        assert_eq!(cause, "docker.unreachable");
        assert!(problem.contains("not as a container engine does"), "{problem}");
    }

    #[tokio::test]
    async fn an_old_engine_is_told_apart() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        let answer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let body = r#"{"Version":"17.03","ApiVersion":"1.27"}"#;
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(text.as_bytes()).await;
        });
        let (cause, problem, remedy) = refused(&host).await;
        answer.await.unwrap();
        assert_eq!(cause, "docker.too-old");
        assert!(problem.contains("1.27") && problem.contains("1.40"), "{problem}");
        assert!(remedy.contains("19.03"), "{remedy}");
    }

    #[tokio::test]
    async fn another_kind_of_address_has_a_way_round() {
        let (cause, _, remedy) = refused("ssh://lab@example").await;
        assert_eq!(cause, "docker.unreachable");
        assert!(remedy.contains("ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock lab@example"), "{remedy}");
    }

    #[tokio::test]
    async fn the_engine_of_this_machine_answers() {
        if let Some(docker) = engine().await {
            assert!(docker.ping().await.is_ok());
        }
    }
}
