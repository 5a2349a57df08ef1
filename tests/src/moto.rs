//! A stand-in for AWS that nobody here wrote: moto's server, one process for each test, spoken to without any client.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Process;
use crate::{ports, wait};

const LONG: Duration = Duration::from_secs(60);

/// EC2, SQS and EventBridge in one process. Dropping it ends it, and everything in it is gone.
pub struct Moto {
    _process: Process,
    client: reqwest::blocking::Client,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

/// What a fleet needs to find there.
pub struct Ground {
    /// Id of a launch template.
    pub template: String,
    /// Subnets, one in each of three zones.
    pub subnets: Vec<String>,
    /// Address of the queue that EventBridge writes to.
    pub queue: String,
}

impl Moto {
    /// Starts it, if `FULMAR_MOTO` names its program; else says that the test is skipped.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(dir: &Path) -> Option<Self> {
        let Some(program) = std::env::var_os("FULMAR_MOTO") else {
            eprintln!("skipped: FULMAR_MOTO does not name moto's server");
            return None;
        };
        let port = ports::free(1)[0].to_string();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port]);
        let process = Process::start("moto", &mut command, dir);
        let client = reqwest::blocking::Client::builder()
            .no_proxy()
            .timeout(LONG)
            .build()
            .expect("a client");
        let url = format!("http://127.0.0.1:{port}");
        let ready = format!("{url}/moto-api/data.json");
        wait::wait_until("moto", LONG, || {
            client
                .get(&ready)
                .send()
                .is_ok_and(|a| a.status().is_success())
        });
        Some(Self {
            _process: process,
            client,
            url,
        })
    }

    fn signed(&self, service: &str) -> reqwest::blocking::RequestBuilder {
        // Nobody checks the signature; its scope says which service is meant.
        let scope = format!("test/20260101/us-east-1/{service}/aws4_request");
        let value = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        self.client.post(&self.url).header("Authorization", value)
    }

    /// A call of EC2; its XML.
    ///
    /// # Panics
    /// When it is refused.
    pub fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = vec![("Action", action), ("Version", "2016-11-15")];
        form.extend(parameters);
        let answer = self.signed("ec2").form(&form).send().expect("moto answers");
        let (status, text) = (answer.status(), answer.text().expect("a text"));
        assert!(status.is_success(), "{action}: {status}: {text}");
        text
    }

    /// A call of a service that speaks JSON; `target` is for example `AmazonSQS.CreateQueue`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let asked = self.signed(service).header("X-Amz-Target", target);
        let kind = match service {
            "sqs" => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        };
        let answer = asked
            .header("Content-Type", kind)
            .body(body.to_string())
            .send();
        let answer = answer.expect("moto answers");
        let (status, text) = (answer.status(), answer.text().expect("a text"));
        assert!(status.is_success(), "{target}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// A launch template, subnets in three zones, and a queue that hears every event of EC2.
    pub fn ground(&self) -> Ground {
        let images = self.ec2(
            "DescribeImages",
            &[("Owner.1", "amazon"), ("MaxResults", "5")],
        );
        let image = &each(&images, "imageId")[0];
        let made = self.ec2(
            "CreateLaunchTemplate",
            &[
                ("LaunchTemplateName", "fulmar"),
                ("LaunchTemplateData.ImageId", image),
                ("LaunchTemplateData.InstanceType", "m5.large"),
            ],
        );
        let subnets = each(&self.ec2("DescribeSubnets", &[]), "subnetId");
        let queue = self.json(
            "sqs",
            "AmazonSQS.CreateQueue",
            &json!({"QueueName": "notices"}),
        );
        let queue = queue["QueueUrl"].as_str().expect("an address").to_owned();
        let arn = "arn:aws:sqs:us-east-1:123456789012:notices";
        let pattern = json!({"source": ["aws.ec2"]}).to_string();
        let rule = json!({"Name": "spot", "EventPattern": pattern});
        self.json("events", "AWSEvents.PutRule", &rule);
        let target = json!({"Rule": "spot", "Targets": [{"Id": "queue", "Arn": arn}]});
        self.json("events", "AWSEvents.PutTargets", &target);
        Ground {
            template: each(&made, "launchTemplateId")[0].clone(),
            subnets: subnets.into_iter().take(3).collect(),
            queue,
        }
    }

    /// EventBridge tells of an instance.
    pub fn event(&self, kind: &str, detail: &Value) {
        let entry = json!({"Source": "aws.ec2", "DetailType": kind, "Detail": detail.to_string()});
        let put = json!({"Entries": [entry]});
        let answer = self.json("events", "AWSEvents.PutEvents", &put);
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    }

    /// Ids of the instances that run.
    pub fn running(&self) -> Vec<String> {
        let state = [
            ("Filter.1.Name", "instance-state-name"),
            ("Filter.1.Value.1", "running"),
        ];
        each(&self.ec2("DescribeInstances", &state), "instanceId")
    }

    /// The machine is gone.
    pub fn take(&self, instance: &str) {
        self.ec2("TerminateInstances", &[("InstanceId.1", instance)]);
    }
}

/// What stands in each element of this name.
pub fn each(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&open).skip(1);
    parts
        .filter_map(|p| p.split(&close).next())
        .map(str::to_owned)
        .collect()
}
