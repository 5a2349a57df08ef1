//! `fulmar offsets`: a group's committed offsets of a topic: shown, or set while its topology is stopped.

use fulmar_api::TopologySpec;
use fulmar_api::value::Value;
use fulmar_kafka::reset::{To, committed, reset_offsets};
use fulmar_kafka::settings::{GROUP, TOPICS, props};
use fulmar_kafka::{Error, KafkaSpoutConfig};
use fulmar_proto::nimbus as pb;
use serde_json::json;

use crate::args::Common;
use crate::client::{Client, block_on};
use crate::failure::{Done, Failure};
use crate::{output, settings};

/// Arguments.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fulmar offsets wifi.telemetry --group fulmar-wifi\n  fulmar offsets wifi.telemetry --group fulmar-wifi --to earliest\n  fulmar offsets wifi.telemetry --group fulmar-wifi --to 1764043200000\n  fulmar offsets wifi.telemetry --group fulmar-wifi --to -2h --unchecked"
)]
pub struct Args {
    /// Topic.
    topic: String,
    /// The group under whose name offsets are committed.
    #[arg(long)]
    group: String,
    /// Brokers; default: kafka.bootstrap.servers of the configuration. Properties of the client, such as a login, are
    /// the configuration's keys below `kafka.client.` and `kafka.consumer.`.
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap: Option<String>,
    /// Set the offsets: `earliest`, `latest`, milliseconds since the epoch, or a time ago such as `-2h`.
    #[arg(long, value_name = "WHERE", value_parser = to, allow_hyphen_values = true)]
    to: Option<To>,
    /// Do not ask Nimbus whether a topology reads the topic in this group.
    #[arg(long, requires = "to")]
    unchecked: bool,
}

/// Runs the verb.
pub fn run(common: &Common, args: &Args) -> Done {
    let conf = settings::load(common)?;
    let servers = match &args.bootstrap {
        Some(servers) => servers.clone(),
        None => conf.str_or("kafka.bootstrap.servers", "localhost:9092")?,
    };
    let mut config = KafkaSpoutConfig::new(&servers, &args.topic, &args.group);
    config.props = props(&conf, "kafka.consumer.")?;
    if let Some(to) = args.to {
        if !args.unchecked {
            block_on(nobody_reads(common, args))?;
        }
        reset_offsets(&config, to).map_err(told)?;
    }
    let found = committed(&config).map_err(told)?;
    let rows = found.iter().map(|(partition, offset, end)| {
        let lag = if *offset < 0 { *end } else { end - offset };
        [*partition as i64, *offset, *end, lag]
    });
    let rows: Vec<_> = rows.collect();
    let json = rows
        .iter()
        .map(|[p, at, end, lag]| json!({"partition": p, "committed": at, "end": end, "lag": lag}));
    let json =
        json!({"topic": args.topic, "group": args.group, "partitions": json.collect::<Vec<_>>()});
    let text = |row: &[i64; 4]| {
        let none = |n: i64| if n < 0 { "-".to_owned() } else { n.to_string() };
        row.map(none).to_vec()
    };
    let columns = ["partition", "committed", "end", "lag"];
    output::print(
        common.output,
        &columns,
        rows.iter().map(text).collect(),
        &json,
    );
    Ok(())
}

/// Where to, as it is written.
fn to(text: &str) -> Result<To, String> {
    let wrong = || {
        format!(
            "\"{text}\" is no place in a log; remedy: earliest, latest, milliseconds since the epoch, or a time ago such as -2h"
        )
    };
    match text {
        "earliest" => return Ok(To::Earliest),
        "latest" => return Ok(To::Latest),
        _ => {}
    }
    let Some(ago) = text.strip_prefix('-') else {
        return text.parse().map(To::Time).map_err(|_| wrong());
    };
    let ago = settings::duration(ago).map_err(|_| wrong())?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let then = now.unwrap_or_default().saturating_sub(ago);
    Ok(To::Time(
        i64::try_from(then.as_millis()).map_err(|_| wrong())?,
    ))
}

/// Refuses while a topology of the cluster has a spout that reads the topic in this group: it goes on at its own
/// position, and its next commit would undo what was set.
async fn nobody_reads(common: &Common, args: &Args) -> Result<(), Failure> {
    let mut client = match Client::connect(common).await {
        Err(Failure::Unreachable { address, why }) => {
            return Err(Failure::Refused(format!(
                "cannot ask Nimbus at {address} whether a topology reads \"{}\" in group \"{}\" ({why}); name it with --nimbus HOST:PORT, or say --unchecked if none does",
                args.topic, args.group
            )));
        }
        other => other?,
    };
    let answer = client
        .nimbus
        .get_cluster_info(pb::GetClusterInfoRequest {})
        .await;
    for topology in client.answer(answer)?.topologies {
        let request = pb::GetTopologyInfoRequest {
            without_windows: true,
            name_or_id: topology.id.clone(),
        };
        let answer = client.nimbus.get_topology_info(request).await;
        let info = match client.answer(answer) {
            // It ended meanwhile.
            Err(Failure::NotFound(_)) => continue,
            other => other?,
        };
        let spec: TopologySpec =
            serde_json::from_str(&info.json_topology).map_err(Failure::here)?;
        let says = |conf: &fulmar_api::Config, key: &str, value: &str| matches!(conf.get(key), Some(Value::Str(text)) if text == value);
        let reads = spec
            .components
            .iter()
            .find(|c| says(&c.conf, GROUP, &args.group) && says(&c.conf, TOPICS, &args.topic));
        if let Some(spout) = reads {
            return Err(Failure::Refused(format!(
                "\"{}\" of topology \"{}\" reads \"{}\" in group \"{}\": kill the topology first (fulmar kill {}), set the offsets, then submit it again",
                spout.id, topology.name, args.topic, args.group, topology.name
            )));
        }
    }
    Ok(())
}

/// A failure of Kafka as the exit codes have it.
fn told(error: Error) -> Failure {
    match error {
        Error::NoTopic(_) => Failure::NotFound(error.to_string()),
        Error::Property(_) => Failure::Usage(error.to_string()),
        _ => Failure::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_log_are_read_or_refused_by_name() {
        assert_eq!(to("earliest"), Ok(To::Earliest));
        assert_eq!(to("latest"), Ok(To::Latest));
        assert_eq!(to("1764043200000"), Ok(To::Time(1_764_043_200_000)));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("after 1970").as_millis() as i64;
        let hour = 3_600_000;
        assert!(matches!(to("-2h"), Ok(To::Time(t)) if t > now - 3 * hour && t < now - hour));
        for wrong in ["first", "-", "-2x", "12:00"] {
            assert!(to(wrong).expect_err(wrong).contains("earliest"), "{wrong}");
        }
    }
}
