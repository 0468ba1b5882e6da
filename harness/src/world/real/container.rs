//! Routers in containers, under the real clock.
//!
//! A container has no network at all, and the harness at its standard streams is the wire. That needs no bridge, no
//! address plan and no packet filter of the machine, it works with an engine on another machine, and nothing but the
//! container can be left behind.
//!
//! testcontainers starts and removes the container; bollard attaches to its streams, which testcontainers cannot. The
//! agent stays silent until it hears from us, so that nothing is lost between the start and the attachment.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures_util::{Stream, StreamExt};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, CopyDataSource, CopyTargetOptions, GenericImage, ImageExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;

use super::lab::{BOOT_PATIENCE, Carrier, Island, Lab, Manner, Mouth, Opening};
use crate::agent::protocol::{Action, Message, Request};
use crate::agent::{EXECUTABLE, MacAddress};
use crate::docker;
use crate::suite::ClockKind;
use crate::world::LabError;

/// Starts routers in containers.
#[derive(Debug)]
pub struct Containers {
    runtime: Arc<Runtime>,
}

impl Containers {
    /// A lab without routers. It stops waiting when `interrupted` is set.
    ///
    /// # Errors
    /// No runtime, or an executable that would not run in a container.
    pub fn lab(interrupted: Arc<AtomicBool>) -> Result<Lab<Containers>, LabError> {
        super::require_static()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| LabError::internal(format!("no runtime: {error}")))?;
        let manner = Manner {
            name: "container",
            clock: ClockKind::Real,
            precision: None,
            glance: Some(Duration::from_millis(50)),
        };
        Ok(Lab::new(Containers { runtime: Arc::new(runtime) }, manner, interrupted))
    }
}

impl Carrier for Containers {
    fn open(&mut self, opening: Opening<'_>) -> Result<Arc<dyn Island>, LabError> {
        let image = format!("dmvpn-lab/{}", opening.implementation.image.recipe);
        let runtime = Arc::clone(&self.runtime);
        let (container, streams) = runtime.block_on(open(&image, &opening.release.version, MacAddress(opening.mac)))?;
        let (outbox, mut letters) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
        let mut input = streams.input;
        let sign_of_life = sign_of_life()?;
        runtime.spawn(async move {
            loop {
                let octets = match tokio::time::timeout(KEEP_ALIVE, letters.recv()).await {
                    Ok(Some(octets)) => octets,
                    Ok(None) => break,
                    Err(_) => sign_of_life.clone(),
                };
                if input.write_all(&octets).await.is_err() || input.flush().await.is_err() {
                    break;
                }
            }
        });
        runtime.spawn(read(streams.output, opening.mouth));
        Ok(Arc::new(Container { container: Some(container), runtime, outbox }))
    }
}

/// A router in a container.
#[derive(Debug)]
struct Container {
    container: Option<ContainerAsync<GenericImage>>,
    runtime: Arc<Runtime>,
    outbox: UnboundedSender<Vec<u8>>,
}

impl Island for Container {
    fn send(&self, octets: Vec<u8>) {
        let _ = self.outbox.send(octets);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            // Removing means killing: a router has nothing to save. Failure leaves a container that `prune` finds.
            let _ =
                self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), container.rm()).await });
        }
    }
}

/// The two directions of a container's standard streams.
struct Streams {
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// Creates and starts a container, and attaches to it.
async fn open(image: &str, tag: &str, mac: MacAddress) -> Result<(ContainerAsync<GenericImage>, Streams), LabError> {
    let engine = |what: &str, error: &dyn std::fmt::Display| {
        LabError::environment(
            "docker.container",
            format!("{what} for {image}:{tag}: {error}"),
            "run `cargo lab doctor`; `cargo lab images` tells whether the image is there",
        )
    };
    let executable = std::env::current_exe().map_err(|error| LabError::internal(format!("who am I: {error}")))?;
    let request = GenericImage::new(image, tag)
        .with_cmd([EXECUTABLE, "agent", "router", "--mac", &mac.to_string()])
        .with_copy_to(CopyTargetOptions::new(EXECUTABLE).with_mode(0o755), CopyDataSource::File(executable))
        .with_open_stdin(true)
        .with_network("none")
        // For kernels of engines that can do GRE and ESP themselves; the lab's own kernel needs neither.
        .with_cap_add("NET_ADMIN")
        .with_cap_add("NET_RAW")
        .with_labels(docker::owned())
        .with_startup_timeout(BOOT_PATIENCE)
        .with_host_config_modifier(|host| {
            host.publish_all_ports = Some(false);
            host.auto_remove = Some(true);
            // Frames on standard output are no log.
            host.log_config =
                Some(bollard::models::HostConfigLogConfig { typ: Some("none".to_owned()), ..Default::default() });
            // The lab's kernel keeps its memory in an executable file there.
            host.tmpfs =
                Some([("/dev/shm".to_owned(), "rw,exec,nosuid,nodev,size=1g".to_owned())].into_iter().collect());
        });
    let container = request.start().await.map_err(|error| engine("no container could be started", &error))?;
    let client = docker::connect().await?;
    let options = AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true).build();
    let attached = client.attach_container(container.id(), Some(options)).await;
    let attached = attached.map_err(|error| engine("its streams could not be attached", &error))?;
    Ok((container, Streams { output: attached.output, input: attached.input }))
}

/// How often a router hears from the harness, whatever else there is to say: an agent that hears nothing for thirty
/// seconds ends its router, so that not even a harness that was killed leaves one behind.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A message that is answered and means nothing. No order has the number 0.
fn sign_of_life() -> Result<Vec<u8>, LabError> {
    let mut octets = Vec::new();
    Message::Request(Request { id: 0, action: Action::Ping {} })
        .encode(&mut octets)
        .map_err(|error| LabError::internal(error.to_string()))?;
    Ok(octets)
}

/// Reads a container's streams until they end.
async fn read(
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    mut mouth: Mouth,
) {
    while let Some(chunk) = output.next().await {
        match chunk {
            Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                if !mouth.push(&message) {
                    return;
                }
            }
            Ok(LogOutput::StdErr { message }) => {
                String::from_utf8_lossy(&message).lines().for_each(|line| mouth.line(line));
            }
            Ok(LogOutput::StdIn { .. }) => {}
            Err(error) => return mouth.ended(format!("its streams broke: {error}")),
        }
    }
    mouth.ended("its container ended".to_owned());
}
