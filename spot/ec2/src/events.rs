//! EventBridge's notices out of an SQS queue, so that a node that cannot speak is known all the same.
//!
//! A message is deleted once the cluster has it: what could not be handed over comes again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::client::Ec2;
use crate::envelope::{self, Event};
use crate::error::{Error, Result};
use crate::manager::Cluster;

/// What a request waits for messages, as long as SQS allows.
pub const POLL: Duration = Duration::from_secs(20);
/// Messages of one request.
const AT_ONCE: i32 = 10;
/// After a failure, and the most of it.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as u64)
}

/// A sentence that was not carried out so long after its time is forgotten.
const OVERDUE_MS: u64 = 600_000;
/// Sentences that are remembered: events tell of every instance of an account.
const REMEMBERED: usize = 10_000;

/// Sentences that were heard, also of instances whose supervisor never registered: those have to be replaced too.
#[derive(Debug, Default)]
pub struct Heard {
    sentences: Mutex<BTreeMap<String, u64>>,
    /// Woken by each round that brought one.
    pub news: Notify,
}

impl Heard {
    /// Whether an instance has a sentence that is not overdue.
    pub fn is_sentenced(&self, id: &str, now_ms: u64) -> bool {
        let held = self
            .sentences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.get(id).is_some_and(|at| now_ms < at + OVERDUE_MS)
    }

    fn remember(&self, id: &str, deadline_ms: u64, now_ms: u64) {
        let mut held = self
            .sentences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, at| now_ms < *at + OVERDUE_MS);
        if held.len() < REMEMBERED {
            held.insert(id.to_owned(), deadline_ms);
        }
    }
}

/// Hands notices over until it is dropped.
pub async fn listen<C: Cluster>(ec2: Ec2, queue: String, cluster: Arc<C>, heard: Arc<Heard>) {
    let mut wait = AGAIN.0;
    let mut said = false;
    loop {
        match round(&ec2, &queue, &*cluster, &heard).await {
            Ok(brought) => {
                (wait, said) = (AGAIN.0, false);
                if brought > 0 {
                    heard.news.notify_one();
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    cluster
                        .say(format!("events are not heard: {error}; tried again"))
                        .await;
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(AGAIN.1);
            }
        }
    }
}

/// One request: how many notices it brought.
///
/// # Errors
/// The queue does not answer or refuses. What the cluster does not take stays in the queue.
pub async fn round<C: Cluster>(
    ec2: &Ec2,
    queue: &str,
    cluster: &C,
    heard: &Heard,
) -> Result<usize> {
    const WHAT: &str = "ReceiveMessage";
    let asked = ec2
        .sqs
        .receive_message()
        .queue_url(queue)
        .max_number_of_messages(AT_ONCE)
        .wait_time_seconds(POLL.as_secs() as i32);
    let answer = asked.send().await.map_err(|e| Error::of(WHAT, e))?;
    let mut brought = 0;
    for message in answer.messages() {
        let told = match envelope::read(message.body().unwrap_or_default(), now_ms()) {
            Event::Told(told) => told,
            Event::Other(what) => {
                tracing::debug!(what, "an event that is nothing to the fleet");
                Vec::new()
            }
            // Left there it would come again and again.
            Event::Malformed(why) => {
                tracing::warn!(why, "an event that cannot be read is dropped");
                Vec::new()
            }
        };
        let mut taken = true;
        for one in &told {
            if one.sentence {
                heard.remember(&one.instance, one.deadline_ms, now_ms());
            }
            match cluster.notice(one, "eventbridge").await {
                Ok(_) => brought += 1,
                Err(why) => {
                    tracing::warn!(why, instance = one.instance, "a notice stays in the queue");
                    taken = false;
                }
            }
        }
        if let (true, Some(receipt)) = (taken, message.receipt_handle()) {
            let done = ec2
                .sqs
                .delete_message()
                .queue_url(queue)
                .receipt_handle(receipt);
            // Said again a notice changes nothing.
            if let Err(error) = done.send().await.map_err(|e| Error::of("DeleteMessage", e)) {
                tracing::warn!(%error, "a message that was read comes again");
            }
        }
    }
    Ok(brought)
}
