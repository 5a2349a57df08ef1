//! Membership of a consumer group: what its coordinator hands out and takes back, told to the spout's own thread.
//!
//! The client calls back in the middle of a poll, where the spout's state is out of reach; so the call is only noted,
//! and carried out when the poll has returned: what is acked is committed before a partition goes to another member.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

/// What the coordinator decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions are ours now, and no others.
    Assigned(Vec<i32>),
    /// None is ours any more; commits are still taken.
    Revoked,
    /// None is ours any more, and commits are refused: the group went on without us.
    Lost,
}

/// Takes the client's calls.
#[derive(Default)]
pub struct Group {
    decided: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
}

impl Group {
    /// From now on partitions are given back at once: a client that is dropped waits for that.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// The oldest decision that was not carried out yet.
    pub fn next(&self) -> Option<Rebalance> {
        self.decided
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .pop_front()
    }
}

impl ClientContext for Group {}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: Code,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Relaxed) {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(%error, "partitions were not given back");
            }
            return;
        }
        let decided = match code {
            Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let ids = partitions
                    .elements()
                    .iter()
                    .map(|p| p.partition())
                    .collect();
                Rebalance::Assigned(ids)
            }
            Code::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if !consumer.assignment_lost() => {
                Rebalance::Revoked
            }
            _ => Rebalance::Lost,
        };
        self.decided
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .push_back(decided);
    }
}
