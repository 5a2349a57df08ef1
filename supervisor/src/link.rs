//! The link to Nimbus: registers with any that answers, hears what is wanted, sends heartbeats,
//! exits and notices; when it breaks, the next Nimbus is tried, later each time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fulmar_proto::nimbus as pb;
use fulmar_proto::nimbus::nimbus_client::NimbusClient;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status as GrpcStatus};

use crate::error::Error;
use crate::event::{Input, Report};
use crate::notice::{Kind, Notice};
use crate::status::Status;

/// Between heartbeats.
const BEAT: Duration = Duration::from_secs(1);
/// A Nimbus that takes longer to answer is left: it buries a node after 3 s of silence.
const ANSWER: Duration = Duration::from_secs(2);
/// The shortest and the longest wait before the next attempt.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Largest message: an assignment with the configuration of each slot's topology.
const MESSAGE_MOST: usize = 64 << 20;

/// A client of the Nimbus that is linked, for those who fetch programs.
pub type Client = Option<NimbusClient<Channel>>;

/// The link's ends.
pub struct Link {
    /// Every Nimbus.
    pub addresses: Vec<String>,
    /// What is shown of this supervisor.
    pub status: watch::Receiver<Status>,
    /// To the owner.
    pub out: mpsc::Sender<Input>,
    /// What Nimbus must hear.
    pub reports: mpsc::Receiver<Report>,
    /// The client, while there is a link.
    pub client: watch::Sender<Client>,
}

/// How a session ended.
enum End {
    /// Nimbus does not know this node any more, or this node has something new to say of itself.
    Again,
    /// Nobody listens any more.
    Done,
}

impl Link {
    /// Keeps the link up until nobody listens.
    pub async fn run(mut self) {
        let (mut next, mut wait, mut unsent) = (0, WAIT.0, None);
        loop {
            let address = self.addresses[next % self.addresses.len()].clone();
            let ended = self.session(&address, &mut unsent).await;
            let linked = self.client.send_replace(None).is_some();
            if linked {
                wait = WAIT.0;
            }
            let problem = match ended {
                Ok(End::Done) => return,
                Ok(End::Again) => {
                    tokio::time::sleep(WAIT.0).await;
                    continue;
                }
                Err(error) => error.to_string(),
            };
            if self.out.send(Input::Unlinked(problem)).await.is_err() {
                return;
            }
            next += 1;
            // Every supervisor of a cluster comes back when Nimbus does: not all at one instant.
            let spread = Duration::from_millis(u64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 4);
            tokio::time::sleep(wait + spread).await;
            if next % self.addresses.len() == 0 {
                wait = (wait * 2).min(WAIT.1);
            }
        }
    }

    async fn session(&mut self, address: &str, unsent: &mut Option<Report>) -> Result<End, Error> {
        let failed = |problem: String| Error::Nimbus {
            address: address.to_owned(),
            problem,
        };
        let grpc = |e: GrpcStatus| failed(e.message().to_owned());
        let late = |_| failed(format!("no answer within {ANSWER:?}"));
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|e| failed(e.to_string()))?
            .connect_timeout(ANSWER)
            .tcp_nodelay(true);
        let channel = endpoint.connect().await.map_err(|e| failed(cause(&e)))?;
        let mut nimbus = NimbusClient::new(channel).max_decoding_message_size(MESSAGE_MOST);

        let registration = self.status.borrow_and_update().registration();
        let watched = timeout(ANSWER, nimbus.watch_supervisor(registration.clone())).await;
        let mut assignments = watched.map_err(late)?.map_err(grpc)?.into_inner();
        if self
            .out
            .send(Input::Linked(address.to_owned()))
            .await
            .is_err()
        {
            return Ok(End::Done);
        }
        self.client.send_replace(Some(nimbus.clone()));
        // A Nimbus that has restarted has forgotten them; one that has not ignores what it knows.
        let standing = self.status.borrow().notices.clone();
        for notice in &standing {
            let told = nimbus.report_notice(wire(&registration.node_id, notice));
            timeout(ANSWER, told).await.map_err(late)?.map_err(grpc)?;
        }
        if let Some(report) = unsent.take() {
            send(&mut nimbus, report, unsent).await.map_err(failed)?;
        }
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                assignment = assignments.message() => {
                    let Some(assignment) = assignment.map_err(grpc)? else {
                        return Err(failed("it has ended the stream".to_owned()));
                    };
                    if self.out.send(Input::Assignment(assignment)).await.is_err() {
                        return Ok(End::Done);
                    }
                }
                _ = beat.tick() => {
                    let status = self.status.borrow_and_update().clone();
                    if is_news(&registration, &status.registration()) {
                        return Ok(End::Again);
                    }
                    let told = nimbus.supervisor_heartbeat(status.heartbeat(now_ms()));
                    match timeout(ANSWER, told).await.map_err(late)? {
                        Err(e) if e.code() == Code::NotFound => return Ok(End::Again),
                        other => other.map_err(grpc)?,
                    };
                }
                report = self.reports.recv() => {
                    let Some(report) = report else { return Ok(End::Done) };
                    send(&mut nimbus, report, unsent).await.map_err(failed)?;
                }
            }
        }
    }
}

/// Whether Nimbus must be told anew who this node is.
fn is_news(told: &pb::RegisterSupervisorRequest, now: &pb::RegisterSupervisorRequest) -> bool {
    let who = |r: &'_ pb::RegisterSupervisorRequest| {
        let parts = [&r.instance_id, &r.instance_type, &r.zone, &r.life_cycle];
        parts.map(Clone::clone)
    };
    who(told) != who(now)
}

/// Sends one report; what did not arrive is kept for the next session.
async fn send(
    nimbus: &mut NimbusClient<Channel>,
    report: Report,
    unsent: &mut Option<Report>,
) -> Result<(), String> {
    let told = async {
        match report.clone() {
            Report::Exit(exit) => nimbus.report_worker_exit(exit).await,
            Report::Notice(notice) => nimbus.report_notice(notice).await,
        }
    };
    match timeout(ANSWER, told).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) if matches!(e.code(), Code::InvalidArgument | Code::FailedPrecondition) => {
            tracing::warn!("nimbus refuses {report:?}: {}", e.message());
            Ok(())
        }
        Ok(Err(e)) => {
            *unsent = Some(report);
            Err(e.message().to_owned())
        }
        Err(_) => {
            *unsent = Some(report);
            Err(format!("no answer within {ANSWER:?}"))
        }
    }
}

/// A notice on the wire.
pub fn wire(node: &str, notice: &Notice) -> pb::Notice {
    let kind = match notice.kind {
        Kind::Advice => pb::NoticeKind::Advice,
        Kind::Sentence => pb::NoticeKind::Sentence,
    };
    pb::Notice {
        node_id: node.to_owned(),
        kind: kind.into(),
        deadline_ms: notice.deadline_ms,
        source: notice.source.to_owned(),
        retracted: false,
        instance_id: String::new(),
    }
}

/// The end of a notice on the wire.
pub fn retraction(node: &str, kind: Kind, source: &str) -> pb::Notice {
    let kind = match kind {
        Kind::Advice => pb::NoticeKind::Advice,
        Kind::Sentence => pb::NoticeKind::Sentence,
    };
    pb::Notice {
        node_id: node.to_owned(),
        kind: kind.into(),
        deadline_ms: 0,
        source: source.to_owned(),
        retracted: true,
        instance_id: String::new(),
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}
