//! The clients against moto's server: somebody else's Spot Fleet, a fleet that cannot be modified, and the queue.

mod world;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::types::{FleetType, RequestLaunchTemplateData, ResourceType};
use fulmar_spot_ec2::events::{self, Heard};
use fulmar_spot_ec2::manager::manage;
use fulmar_spot_ec2::settings::Held;
use fulmar_spot_ec2::{Cluster, Ec2, Settings};
use world::{Nimbus, pace, settings, wait_for};

/// Far beyond what a loaded machine needs.
pub const LONG: Duration = Duration::from_secs(60);

/// moto in a process of its own, and clients that are not the product's.
struct Moto {
    server: Child,
    url: String,
    ec2: aws_sdk_ec2::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Nothing can be done here about a process that does not die of this.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Moto {
    async fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("FULMAR_MOTO") else {
            eprintln!("skipped: FULMAR_MOTO does not name moto's server");
            return None;
        };
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let port = free.expect("a free port").port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let url = format!("http://127.0.0.1:{port}");
        let keys = Credentials::new("test", "test", None, None, "test");
        let region = Region::new("us-east-1");
        let ec2 = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(keys.clone())
            .region(region.clone())
            .endpoint_url(&url)
            .build();
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(keys)
            .region(region)
            .endpoint_url(&url)
            .build();
        let moto = Self {
            server: server.expect("moto starts"),
            url,
            ec2: aws_sdk_ec2::Client::from_conf(ec2),
            sqs: aws_sdk_sqs::Client::from_conf(sqs),
        };
        let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_for("moto", listens).await;
        Some(moto)
    }

    async fn settings(&self) -> Settings {
        let images = self.ec2.describe_images().owners("amazon").send().await;
        let images = images.expect("images");
        let image = images.images().first().and_then(|i| i.image_id());
        let data = RequestLaunchTemplateData::builder()
            .image_id(image.expect("an image"))
            .instance_type("m5.large".into())
            .build();
        let made = self
            .ec2
            .create_launch_template()
            .launch_template_name("fulmar");
        made.launch_template_data(data)
            .send()
            .await
            .expect("a template");
        let subnets = self.ec2.describe_subnets().send().await.expect("subnets");
        let ids = subnets.subnets().iter().take(2);
        let mut settings = settings(&self.url);
        settings.template = "fulmar".to_owned();
        settings.subnets = ids
            .filter_map(|s| s.subnet_id().map(str::to_owned))
            .collect();
        settings.patience = Duration::from_secs(20);
        settings
    }
}

#[tokio::test]
async fn somebody_elses_spot_fleet_is_made_larger_and_smaller() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let mut settings = moto.settings().await;
    let ec2 = Ec2::new(settings.clone()).await;
    let nimbus = Arc::new(Nimbus::new());
    let zones = ec2.zones().await.expect("zones");
    let names: Vec<String> = zones.keys().cloned().collect();
    let pools = nimbus.look().await.expect("a wish").wish.pools(&names);
    let role = "arn:aws:iam::123456789012:role/fleet";
    let id = ec2.request_spot_fleet(role, &pools, &zones, 0).await;
    let held = Held::of(&id.expect("a Spot Fleet")).expect("its id");
    settings.held = Some(held.clone());
    let ec2 = Ec2::new(settings).await;
    assert_eq!(ec2.target(&held).await, Ok(0));
    assert_eq!(ec2.move_target(&held, 3).await, Ok(3));
    let three = ec2.instances_of(&held).await.expect("three");
    assert_eq!(three.len(), 3);
    assert_eq!(ec2.instances().await.expect("the same three").len(), 3);

    // The manager goes on from there, by the fleet's target alone.
    let manager = tokio::spawn(manage(ec2.clone(), nimbus.clone(), pace()));
    let end = tokio::time::Instant::now() + LONG;
    while ec2.instances_of(&held).await.expect("an answer").len() < 20 {
        assert!(tokio::time::Instant::now() < end, "{:?}", nimbus.all());
        tokio::time::sleep(Duration::from_millis(100)).await; // poll: until the fleet is large enough
    }
    assert_eq!(ec2.target(&held).await, Ok(20));
    assert!(nimbus.said("nodes come") > 0, "{:?}", nimbus.all());
    nimbus.sentence(&three[1..2]);
    while ec2.target(&held).await != Ok(21) {
        assert!(tokio::time::Instant::now() < end, "{:?}", nimbus.all());
        tokio::time::sleep(Duration::from_millis(100)).await; // poll: until the notice is answered
    }
    manager.abort();
    ec2.end(&three[0]).await.expect("one is ended");
    assert_eq!(
        ec2.target(&held).await,
        Ok(20),
        "else the fleet would start another"
    );
    let left = ec2.instances_of(&held).await.expect("the others");
    assert!(left.len() == 20 && !left.contains(&three[0]));
    ec2.end("i-0123456789abcdef0")
        .await
        .expect("one that is gone is ended");
}

#[tokio::test]
async fn where_a_fleet_cannot_be_modified_instant_ones_are_ordered() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let mut settings = moto.settings().await;
    let template = aws_sdk_ec2::types::FleetLaunchTemplateSpecificationRequest::builder()
        .launch_template_name("fulmar")
        .version("$Default")
        .build();
    let config = aws_sdk_ec2::types::FleetLaunchTemplateConfigRequest::builder()
        .launch_template_specification(template)
        .build();
    let target = aws_sdk_ec2::types::TargetCapacitySpecificationRequest::builder()
        .total_target_capacity(1)
        .default_target_capacity_type("spot".into())
        .build();
    let made = moto.ec2.create_fleet().r#type(FleetType::Maintain);
    let made = made
        .launch_template_configs(config)
        .target_capacity_specification(target);
    let made = made.send().await.expect("a maintained fleet");
    let held = Held::of(made.fleet_id().expect("its id")).expect("its form");
    settings.held = Some(held.clone());
    let ec2 = Ec2::new(settings).await;
    let refused = ec2.move_target(&held, 1).await.unwrap_err();
    assert_eq!(refused, fulmar_spot_ec2::Error::NotOffered("ModifyFleet"));
    let nimbus = Arc::new(Nimbus::new());
    let manager = tokio::spawn(manage(ec2.clone(), nimbus.clone(), pace()));
    let end = tokio::time::Instant::now() + LONG;
    loop {
        let there = ec2.instances().await.expect("an answer");
        // One of the twenty is the fleet's own, which was not ordered.
        let ordered = there.iter().filter(|s| !s.order.is_empty()).count();
        if there.len() == 20 && ordered == 19 {
            break;
        }
        assert!(
            tokio::time::Instant::now() < end,
            "{there:?} {:?}",
            nimbus.all()
        );
        tokio::time::sleep(Duration::from_millis(100)).await; // poll: until the fleet is large enough
    }
    manager.abort();
    let tagged = moto.ec2.describe_tags().send().await.expect("tags");
    let instances = tagged
        .tags()
        .iter()
        .filter(|t| t.resource_type() == Some(&ResourceType::Instance));
    let orders = instances.filter(|t| t.key() == Some("fulmar:order"));
    assert_eq!(orders.count(), 19);
}

#[tokio::test]
async fn a_message_is_gone_once_it_was_taken_and_nonsense_does_not_come_again() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let made = moto.sqs.create_queue().queue_name("notices").send().await;
    let queue = made
        .expect("a queue")
        .queue_url()
        .expect("its address")
        .to_owned();
    let ec2 = Ec2::new(settings(&moto.url)).await;
    let (nimbus, heard) = (Nimbus::new(), Heard::default());
    let warning = r#"{"detail-type":"EC2 Spot Instance Interruption Warning","time":"2099-01-01T00:00:00Z","detail":{"instance-id":"i-0a","instance-action":"terminate"}}"#;
    for body in ["nonsense", r#"{"detail-type":"Scheduled Event"}"#, warning] {
        let sent = moto
            .sqs
            .send_message()
            .queue_url(&queue)
            .message_body(body)
            .send()
            .await;
        sent.expect("sent");
    }
    let mut brought = 0;
    while brought == 0 {
        brought += events::round(&ec2, &queue, &nimbus, &heard)
            .await
            .expect("a round");
    }
    assert_eq!(nimbus.all(), ["notice of eventbridge for i-0a"]);
    assert!(heard.is_sentenced("i-0a", 0) && !heard.is_sentenced("i-0b", 0));
    let left = moto.sqs.get_queue_attributes().queue_url(&queue);
    let left = left
        .attribute_names("All".into())
        .send()
        .await
        .expect("attributes");
    let left = left.attributes().cloned().unwrap_or_default();
    for name in [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
    ] {
        assert_eq!(
            left.get(&name.into()).map(String::as_str),
            Some("0"),
            "{name}"
        );
    }
    let refused = events::round(&ec2, &format!("{}/1/none", moto.url), &nimbus, &heard).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("NonExistentQueue")
    );
}
