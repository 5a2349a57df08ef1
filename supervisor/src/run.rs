//! `run`: the supervisor daemon, on a listener that the caller bound, until it is told to stop.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::config::SupervisorConfig;
use crate::error::Error;
use crate::event::Input;
use crate::imds::{Identity, Imds};
use crate::limits::{PORT_MS, REPORTS_KEPT, TICK_MS};
use crate::link::{Link, now_ms};
use crate::localizer;
use crate::node::Load;
use crate::owner::{Owner, Parts, shown};
use crate::record::Folder;
use crate::slot::Slot;
use crate::status::{Status, Totals};
use crate::{http, sources};

/// Inputs that wait for the owner; their senders wait when it is full.
const INBOX: usize = 256;

/// Runs a supervisor until `shutdown` is ready. Its workers outlive it, unless the configuration says
/// that they stop with it; the next supervisor on the same folder adopts them.
///
/// # Errors
/// The configuration cannot work, the folder cannot be used or is another supervisor's, or the
/// listener fails.
pub async fn run(
    config: SupervisorConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    config.check()?;
    let serve = |e: std::io::Error| Error::Serve(e.to_string());
    let port = listener.local_addr().map_err(serve)?.port();
    let folder = Folder::open(&config.dir)?;
    let blobs = folder.blobs();
    localizer::remove_halves(&blobs).map_err(|e| Error::folder(&blobs, &e))?;
    let node_id = folder.node_id()?;
    let imds = config.imds.as_deref().map(Imds::new).transpose()?;

    let (out, inbox) = mpsc::channel(INBOX);
    let (report, reports) = mpsc::channel(REPORTS_KEPT);
    let (client, clients) = watch::channel(None);
    let (status, shown) = watch::channel(first(&config, &node_id, port));
    // Everything in this set ends with this function.
    let mut tasks = JoinSet::new();
    let mut owner = Owner::new(Parts {
        config: config.clone(),
        folder,
        node_id: node_id.clone(),
        out: out.clone(),
        client: clients,
        reports: report,
        status,
    });
    owner.restore();
    free(&owner, &config.host).await?;
    owner.tick();
    tracing::info!(port, node_id, slots = ?config.slots, "supervisor is ready");
    let link = Link {
        addresses: config.nimbus.clone(),
        status: shown.clone(),
        out: out.clone(),
        reports,
        client,
    };
    tasks.spawn(link.run());
    if let Some(path) = config.notice_file.clone() {
        tasks.spawn(sources::watch_file(path, out.clone()));
    }
    if let Some(imds) = imds {
        tasks.spawn(sources::watch_imds(imds, config.imds_poll, out));
    }
    let mut served = JoinSet::new();
    served.spawn(async move { axum::serve(listener, http::router(shown)).await });
    keep(owner, inbox, &mut served, shutdown, config.stop_workers).await
}

/// Refuses slots whose ports somebody else holds, before any work is laid on them; a worker that was killed with the
/// last supervisor may hold its port for a moment more.
async fn free(owner: &Owner, host: &str) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_millis(PORT_MS);
    loop {
        let Some((port, problem)) = owner.taken(host) else {
            return Ok(());
        };
        if Instant::now() > end {
            return Err(Error::Port { port, problem });
        }
        sleep_until(Instant::now() + Duration::from_millis(TICK_MS)).await;
    }
}

/// The owner's loop.
async fn keep(
    mut owner: Owner,
    mut inbox: mpsc::Receiver<Input>,
    served: &mut JoinSet<std::io::Result<()>>,
    shutdown: impl Future<Output = ()>,
    stop_workers: bool,
) -> Result<(), Error> {
    let mut shutdown = pin!(shutdown);
    let mut ticks = interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end: Option<Instant> = None;
    loop {
        tokio::select! {
            input = inbox.recv() => match input {
                // While it ends, nothing new is begun.
                Some(Input::Assignment(_)) if end.is_some() => {}
                Some(input) => owner.take(input),
                None => return Ok(()),
            },
            _ = ticks.tick() => owner.tick(),
            () = &mut shutdown, if end.is_none() => {
                if !stop_workers {
                    return Ok(());
                }
                end = Some(Instant::now() + owner.stop_most());
                owner.stop_all();
            }
            () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(()),
            ended = served.join_next() => {
                let how = match ended {
                    Some(Ok(Err(e))) => e.to_string(),
                    _ => "its pages ended".to_owned(),
                };
                return Err(Error::Serve(how));
            }
        }
        if end.is_some() && owner.is_empty() {
            return Ok(());
        }
    }
}

fn first(config: &SupervisorConfig, node_id: &str, port: u16) -> Status {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let empty = Slot::new(config.times);
    Status {
        node_id: node_id.to_owned(),
        host: config.host.clone(),
        port,
        version: env!("CARGO_PKG_VERSION"),
        started_ms: now_ms(),
        nimbus: None,
        nimbus_problem: None,
        condemned: false,
        drained: false,
        assignment_version: 0,
        notices: Vec::new(),
        slots: config.slots.iter().map(|p| shown(*p, &empty)).collect(),
        pool: text(&config.pool),
        resources: config.resources.clone(),
        identity: Identity {
            instance_id: String::new(),
            instance_type: text(&config.instance_type),
            zone: text(&config.zone),
            life_cycle: text(&config.life_cycle),
        },
        load: Load::default(),
        totals: Totals::default(),
        story: Vec::new(),
    }
}
