//! The fleet manager beside Nimbus, against moto: what is needed comes, what is taken is replaced, a crash changes
//! nothing, what is not needed any more goes.

use std::path::Path;
use std::process::{Command, Output};

use fulmar_tests::cluster::LONG;
use fulmar_tests::moto::{Ground, Moto};
use fulmar_tests::ports;
use fulmar_tests::process::{Process, example, fulmar};
use fulmar_tests::wait::{wait_for, wait_until, wait_until_or};
use serde_json::{Value, json};
use tempfile::TempDir;

const TYPES: [&str; 10] = [
    "m5.large",
    "m5a.large",
    "c5.large",
    "c5a.large",
    "r5.large",
    "r5a.large",
    "m6i.large",
    "c6i.large",
    "r6i.large",
    "m4.large",
];

/// Nimbus with its fleet, a node of one's own for the work, and AWS.
struct World {
    dir: TempDir,
    moto: Moto,
    port: u16,
    nimbus: Process,
    _node: Process,
}

/// Small machines, so that a small topology needs many: half a core each.
fn write_conf(dir: &Path, moto: &Moto, ground: &Ground) {
    let mut types = "region,instance_type,vcpu,memory_mib,arch,on_demand_usd_per_hour\n".to_owned();
    let mut prices = "date,region,instance_type,spot_usd_per_hour\n".to_owned();
    for (i, kind) in TYPES.iter().enumerate() {
        types += &format!("us-east-1,{kind},0.5,1024,x86_64,0.1\n");
        prices += &format!("2026-11-20,us-east-1,{kind},0.0{}\n", 30 + i);
    }
    std::fs::write(dir.join("types.csv"), types).expect("writes");
    std::fs::write(dir.join("prices.csv"), prices).expect("writes");
    let conf = json!({
        "fleet.enable": true,
        "fleet.cluster": "tested",
        "fleet.ec2.region": "us-east-1",
        "fleet.ec2.endpoint": moto.url,
        "fleet.ec2.template": ground.template,
        "fleet.ec2.subnets": ground.subnets,
        "fleet.sqs.queue": ground.queue,
        "fleet.prices": dir.join("prices.csv"),
        "fleet.types": dir.join("types.csv"),
        "fleet.look.secs": 0.5,
        "fleet.settle.secs": 1,
        "fleet.excess.secs": 0.5,
        "fleet.drain.secs": 20,
    });
    // YAML takes JSON.
    std::fs::write(dir.join("fleet.yaml"), conf.to_string()).expect("writes");
}

fn command(dir: &Path, port: u16, words: &[&str]) -> Command {
    let mut command = Command::new(fulmar());
    command
        .args(words)
        .arg("--config")
        .arg(dir.join("fleet.yaml"))
        .env("FULMAR_NIMBUS", format!("127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    command
}

fn start_nimbus(dir: &Path, port: u16) -> Process {
    let store = dir.join("nimbus").display().to_string();
    let port_text = port.to_string();
    let words = ["nimbus", "--port", &port_text, "--dir", &store];
    let mut nimbus = command(dir, port, &words);
    let nimbus = Process::start("nimbus", &mut nimbus, dir);
    wait_until("Nimbus to listen", LONG, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    nimbus
}

/// Whether the program was built with the client of EC2; else the test is skipped, aloud.
fn can() -> bool {
    let out = Command::new(fulmar()).args(["fleet", "status"]).output();
    let said = String::from_utf8_lossy(&out.expect("fulmar starts").stderr).into_owned();
    let without = said.contains("without the client of EC2");
    if without {
        assert!(
            said.contains("--features ec2"),
            "it says the remedy: {said}"
        );
        eprintln!("skipped: fulmar was built without the feature ec2");
    }
    !without
}

impl World {
    fn start() -> Option<Self> {
        if !can() {
            return None;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let moto = Moto::start(dir.path())?;
        write_conf(dir.path(), &moto, &moto.ground());
        let port = ports::free(1)[0];
        let nimbus = start_nimbus(dir.path(), port);
        let node = supervisor(dir.path(), port, "own", &[]);
        Some(Self {
            dir,
            moto,
            port,
            nimbus,
            _node: node,
        })
    }

    fn run(&self, words: &[&str]) -> Output {
        command(self.dir.path(), self.port, words)
            .output()
            .expect("fulmar starts")
    }

    fn json(&self, words: &[&str]) -> Value {
        let mut all = words.to_vec();
        all.extend(["--output", "json"]);
        let out = self.run(&all);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{words:?}: {said}");
        serde_json::from_slice(&out.stdout).expect("JSON")
    }

    /// Waits until what is wanted is there, and nothing is left to do; answers the status.
    fn calm(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for("what is wanted to be there", LONG, || {
            let status = self.json(&["fleet", "status"]);
            let enough = status["there"].as_f64()? >= status["wanted"].as_f64()? - 1e-9;
            (enough && wanted(&status)).then_some(status)
        })
    }

    fn submit(&self) {
        let dir = self.dir.path().join("records");
        std::fs::create_dir_all(&dir).expect("a folder");
        let program = example("partitions").display().to_string();
        let conf = format!("partitions.dir={}", dir.display());
        let mut words = vec!["submit", &program, "--wait", "60s", "-c", &conf];
        words.extend([
            "-c",
            "partitions.start.ms=1",
            "-c",
            "partitions.limit=1000000",
        ]);
        words.extend(["-c", "topology.workers=2"]);
        let out = self.run(&words);
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

fn supervisor(dir: &Path, nimbus: u16, name: &str, more: &[&str]) -> Process {
    let slots: Vec<_> = ports::free_slots(2)
        .iter()
        .map(ToString::to_string)
        .collect();
    let port = ports::free(1)[0].to_string();
    let mut command = Command::new(fulmar());
    command
        .args([
            "supervisor",
            "--nimbus",
            &format!("127.0.0.1:{nimbus}"),
            "--port",
            &port,
        ])
        .args(["--slots", &slots.join(","), "--stop-workers", "--dir"])
        .arg(dir.join(name))
        .args(more);
    Process::start(name, &mut command, dir)
}

/// The metadata service of an instance, and its supervisor.
fn boot(world: &World, instance: &Value) -> Option<(Process, Process)> {
    let Some(mock) = std::env::var_os("FULMAR_IMDS_MOCK") else {
        eprintln!("not booted: FULMAR_IMDS_MOCK does not name an EC2 metadata mock");
        return None;
    };
    let dir = world.dir.path();
    let file = dir.join("metadata.json");
    let values = json!({"instance-id": instance["id"], "instance-type": instance["instance_type"],
        "placement-availability-zone": instance["zone"], "instance-life-cycle": "spot"});
    std::fs::write(&file, json!({"metadata": {"values": values}}).to_string()).expect("writes");
    let port = ports::free(1)[0].to_string();
    let mut command = Command::new(mock);
    // It has no notice of its own to give: EventBridge knows of it alone.
    command
        .args([
            "asglifecycle",
            "-n",
            "127.0.0.1",
            "-p",
            &port,
            "-I",
            "-x",
            "1",
        ])
        .args(["--asg-termination-delay-sec", "100000", "-c"])
        .arg(&file)
        .env("HOME", dir);
    let metadata = Process::start("metadata", &mut command, dir);
    let address = format!("http://127.0.0.1:{port}");
    let node = supervisor(dir, world.port, "booted", &["--imds", &address]);
    Some((metadata, node))
}

fn ids(status: &Value) -> Vec<String> {
    let all = status["instances"].as_array().cloned().unwrap_or_default();
    let id = |i: &Value| i["instance"]["id"].as_str().map(str::to_owned);
    all.iter().filter_map(id).collect()
}

#[test]
fn a_fleet_grows_with_what_is_needed_replaces_what_is_taken_and_goes_when_nothing_is() {
    let Some(mut world) = World::start() else {
        return;
    };
    let plan = world.json(&["fleet", "plan"]);
    assert_eq!(
        (&plan["plan"]["wanted"], &plan["done"]),
        (&json!(0.0), &json!(false))
    );
    assert!(world.moto.running().is_empty());
    world.submit();
    let status = world.calm(|s| s["wanted"].as_f64() >= Some(1.0));
    let bought = ids(&status);
    // 2 workers of a core each, 70 % busy, half a core a node.
    assert!((6..=9).contains(&bought.len()), "{status}");
    let of = |i: &Value| {
        format!(
            "{}/{}",
            i["instance"]["instance_type"], i["instance"]["zone"]
        )
    };
    let instances = status["instances"].as_array().cloned().unwrap_or_default();
    let mut pools: Vec<String> = instances.iter().map(of).collect();
    pools.sort();
    pools.dedup();
    assert_eq!(
        pools.len(),
        bought.len(),
        "no pool holds more than its part: {status}"
    );
    assert!(instances.iter().all(|i| i["instance"]["life"] == "spot"));

    // EventBridge warns of two: one whose supervisor is up, one that never spoke. Both are replaced at once.
    let booted = boot(&world, &instances[0]["instance"]);
    if booted.is_some() {
        world.calm(|s| {
            let all = s["instances"].as_array().into_iter().flatten();
            all.filter(|i| i["node"]["work"].is_u64()).count() == 1
        });
    }
    for id in &bought[..2] {
        let detail = json!({"instance-id": id, "instance-action": "terminate"});
        world
            .moto
            .event("EC2 Spot Instance Interruption Warning", &detail);
    }
    wait_until_or(
        LONG,
        || world.moto.running().len() == bought.len() + 2,
        || format!("two more than {}: {:?}", bought.len(), world.moto.running()),
    );
    if booted.is_some() {
        let events = world.json(&["events", "--limit", "1000"]).to_string();
        assert!(
            events.contains("(eventbridge)"),
            "Nimbus was told: {events}"
        );
    }
    bought[..2].iter().for_each(|id| world.moto.take(id));
    drop(booted);

    // Killed and started again it orders nothing twice and forgets nothing.
    world.nimbus.kill_9();
    let before = world.moto.running();
    world.nimbus = start_nimbus(world.dir.path(), world.port);
    world.calm(|s| s["wanted"].as_f64() >= Some(1.0) && ids(s).len() == bought.len());
    world.moto.take(&before[0]);
    wait_until("the new manager to replace one that vanished", LONG, || {
        let now = world.moto.running();
        now.len() == bought.len() && !now.contains(&before[0])
    });
    let kept = before[1..]
        .iter()
        .all(|id| world.moto.running().contains(id));
    assert!(kept, "what was there is there");

    // Nothing is needed any more.
    assert!(
        world
            .run(&["kill", "partitions", "-w", "0"])
            .status
            .success()
    );
    wait_until("all to be ended", LONG, || world.moto.running().is_empty());
    let out = world.run(&["events", "--limit", "1000"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        said.contains("is let go") && said.contains("is ended"),
        "{said}"
    );
}

#[test]
fn a_fleet_that_cannot_be_is_refused_before_nimbus_starts() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut nimbus = Command::new(fulmar());
    nimbus.args(["nimbus", "--port", "0", "-c", "fleet.enable=true", "--dir"]);
    let out = nimbus.arg(dir.path()).output().expect("fulmar starts");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(
        said.contains("fleet.ec2.region") || said.contains("--features ec2"),
        "{said}"
    );
}
