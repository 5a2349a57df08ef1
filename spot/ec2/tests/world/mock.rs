//! A mock of EC2's query protocol over a socket, ill in every way that was thought of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ill {
    No,
    Throttles,
    DiesAfterTheDeed,
    Silent,
    Html,
    HalfXml,
    NothingAndNoReason,
    NoSpot,
    ScoresZoneB,
    NoSubnet,
}

/// An instance of the mock.
#[derive(Clone, Debug)]
pub struct Machine {
    pub id: String,
    pub kind: String,
    pub zone: String,
    pub spot: bool,
    pub cluster: String,
    order: String,
    ending: Option<String>,
}

impl Machine {
    pub fn pool(&self) -> String {
        format!("{}/{}", self.kind, self.zone)
    }
}

struct State {
    ill: Ill,
    machines: Vec<Machine>,
    calls: BTreeMap<String, usize>,
    next: usize,
    died: bool,
}

/// The mock.
pub struct Mock {
    pub url: String,
    state: Arc<Mutex<State>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Mock {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State {
            ill: Ill::No,
            machines: Vec::new(),
            calls: BTreeMap::new(),
            next: 0,
            died: false,
        }));
        let shared = state.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { url, state, server }
    }

    pub fn set(&self, ill: Ill) {
        self.state.lock().unwrap().ill = ill;
    }

    pub fn instances(&self) -> Vec<Machine> {
        self.state.lock().unwrap().machines.clone()
    }

    pub fn calls(&self, action: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.calls.get(action).copied().unwrap_or(0)
    }

    pub fn take(&self, ids: &[String]) {
        let mut state = self.state.lock().unwrap();
        state.machines.retain(|m| !ids.contains(&m.id));
    }
}

/// One connection: requests of a form each, until it is closed.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut buffer = Vec::new();
    loop {
        let Some(form) = request(&mut stream, &mut buffer).await else {
            return;
        };
        let ill = state.lock().unwrap().ill;
        if ill == Ill::Silent {
            // Held open until the caller gives up.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
            return;
        }
        let (status, body, cut) = answer(&form, &mut state.lock().unwrap());
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let whole = head + &body;
        let end = if cut {
            whole.len() - body.len() / 2
        } else {
            whole.len()
        };
        let sent = stream.write_all(&whole.as_bytes()[..end]).await;
        if cut || sent.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<BTreeMap<String, String>> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| {
                let (name, value) = l.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            let length: usize = length.unwrap_or(0);
            if body.len() >= length {
                let form = body[..length].split('&').filter_map(|p| p.split_once('='));
                let form = form.map(|(k, v)| (decoded(k), decoded(v))).collect();
                buffer.drain(..head.len() + 4 + length);
                return Some(form);
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(b) = bytes.next() {
        let hex = (b == b'%').then(|| [bytes.next(), bytes.next()]);
        match hex {
            Some([Some(a), Some(b)]) => {
                let pair = [a, b];
                let pair = std::str::from_utf8(&pair).expect("two digits");
                out.push(u8::from_str_radix(pair, 16).expect("hexadecimal"));
            }
            _ => out.push(if b == b'+' { b' ' } else { b }),
        }
    }
    String::from_utf8(out).expect("UTF-8")
}

fn refusal(status: u16, code: &str, message: &str) -> (u16, String, bool) {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r</RequestID></Response>"
    );
    (status, body, false)
}

fn response(action: &str, inner: &str) -> (u16, String, bool) {
    let body = format!("<{action}Response><requestId>r</requestId>{inner}</{action}Response>");
    (200, body, false)
}

fn answer(form: &BTreeMap<String, String>, state: &mut State) -> (u16, String, bool) {
    let action = form.get("Action").cloned().unwrap_or_default();
    *state.calls.entry(action.clone()).or_default() += 1;
    match state.ill {
        Ill::Html if action != "DescribeSubnets" => {
            return (200, "<html><body>welcome</body></html>".to_owned(), false);
        }
        Ill::HalfXml if action != "DescribeSubnets" => {
            return (
                200,
                "<DescribeInstancesResponse><reservationSet><it".to_owned(),
                false,
            );
        }
        Ill::NoSubnet if action == "DescribeSubnets" => {
            return refusal(400, "InvalidSubnetID.NotFound", "subnet-a is not there");
        }
        _ => {}
    }
    match action.as_str() {
        "DescribeSubnets" => response(&action, &subnets()),
        "DescribeInstances" => response(&action, &described(&state.machines)),
        "CreateFleet" => create_fleet(form, state),
        "TerminateInstances" => {
            let id = form["InstanceId.1"].clone();
            state.machines.retain(|m| m.id != id);
            response(&action, "<instancesSet/>")
        }
        "CreateTags" => {
            let (id, since) = (&form["ResourceId.1"], form["Tag.1.Value"].clone());
            for m in state.machines.iter_mut().filter(|m| m.id == *id) {
                m.ending = Some(since.clone());
            }
            response(&action, "<return>true</return>")
        }
        "GetSpotPlacementScores" if state.ill == Ill::ScoresZoneB => {
            let score = |zone, n| {
                format!(
                    "<item><region>us-east-1</region><availabilityZoneId>{zone}</availabilityZoneId><score>{n}</score></item>"
                )
            };
            let all = score("use1-az1", 9) + &score("use1-az2", 1);
            response(
                &action,
                &format!("<spotPlacementScoreSet>{all}</spotPlacementScoreSet>"),
            )
        }
        // As moto answers what it does not have.
        _ => (
            500,
            "<html><body>500 Internal Server Error</body></html>".to_owned(),
            false,
        ),
    }
}

fn subnets() -> String {
    let one = |id, zone, zone_id| {
        format!(
            "<item><subnetId>{id}</subnetId><availabilityZone>{zone}</availabilityZone><availabilityZoneId>{zone_id}</availabilityZoneId></item>"
        )
    };
    let a = one("subnet-a", "us-east-1a", "use1-az1");
    let b = one("subnet-b", "us-east-1b", "use1-az2");
    format!("<subnetSet>{a}{b}</subnetSet>")
}

fn described(machines: &[Machine]) -> String {
    let mut out = "<reservationSet><item><reservationId>r</reservationId><instancesSet>".to_owned();
    for m in machines {
        let life = if m.spot { "spot" } else { "on-demand" };
        let tag = |k: &str, v: &str| format!("<item><key>{k}</key><value>{v}</value></item>");
        let mut tags = tag("fulmar:cluster", &m.cluster) + &tag("fulmar:order", &m.order);
        tags += &tag("fulmar:life", life);
        if let Some(since) = &m.ending {
            tags += &tag("fulmar:ending", since);
        }
        write!(
            out,
            "<item><instanceId>{}</instanceId><instanceType>{}</instanceType><placement><availabilityZone>{}</availabilityZone></placement><instanceState><code>16</code><name>running</name></instanceState><tagSet>{tags}</tagSet></item>",
            m.id, m.kind, m.zone
        )
        .expect("a text");
    }
    out + "</instancesSet></item></reservationSet>"
}

fn create_fleet(form: &BTreeMap<String, String>, state: &mut State) -> (u16, String, bool) {
    const ACTION: &str = "CreateFleet";
    let get = |key: &str| form.get(key).cloned().unwrap_or_default();
    assert_eq!(get("Type"), "instant");
    let spot = get("TargetCapacitySpecification.DefaultTargetCapacityType") == "spot";
    let nodes: usize = get("TargetCapacitySpecification.TotalTargetCapacity")
        .parse()
        .expect("a number");
    let key = |n: usize, field: &str| format!("LaunchTemplateConfigs.1.Overrides.{n}.{field}");
    let overrides: Vec<(String, String)> = (1..)
        .map_while(|n| {
            Some((
                form.get(&key(n, "InstanceType"))?.clone(),
                form.get(&key(n, "SubnetId"))?.clone(),
            ))
        })
        .collect();
    match state.ill {
        Ill::Throttles => return refusal(503, "RequestLimitExceeded", "slow down"),
        Ill::NothingAndNoReason => return response(ACTION, "<fleetId>fleet-1</fleetId>"),
        Ill::NoSpot if spot => {
            let error = |(kind, subnet): &(String, String)| {
                format!(
                    "<item><launchTemplateAndOverrides><overrides><instanceType>{kind}</instanceType><subnetId>{subnet}</subnetId></overrides></launchTemplateAndOverrides><lifecycle>spot</lifecycle><errorCode>InsufficientInstanceCapacity</errorCode><errorMessage>none left</errorMessage></item>"
                )
            };
            let errors: String = overrides.iter().map(error).collect();
            return response(
                ACTION,
                &format!("<fleetId>fleet-1</fleetId><errorSet>{errors}</errorSet>"),
            );
        }
        _ => {}
    }
    let tags: BTreeMap<String, String> = (1..)
        .map_while(|n| {
            let tag = |field| {
                form.get(&format!("TagSpecification.1.Tag.{n}.{field}"))
                    .cloned()
            };
            tag("Key").zip(tag("Value"))
        })
        .collect();
    let (kind, subnet) = overrides.first().expect("an override").clone();
    let zone = if subnet == "subnet-a" {
        "us-east-1a"
    } else {
        "us-east-1b"
    };
    let mut ids = String::new();
    for _ in 0..nodes {
        state.next += 1;
        let id = format!("i-{:04}", state.next);
        write!(ids, "<item>{id}</item>").expect("a text");
        state.machines.push(Machine {
            id,
            kind: kind.clone(),
            zone: zone.to_owned(),
            spot,
            cluster: tags["fulmar:cluster"].clone(),
            order: tags["fulmar:order"].clone(),
            ending: None,
        });
    }
    let inner = format!(
        "<fleetId>fleet-1</fleetId><fleetInstanceSet><item><launchTemplateAndOverrides><overrides><instanceType>{kind}</instanceType><subnetId>{subnet}</subnetId></overrides></launchTemplateAndOverrides><instanceIds>{ids}</instanceIds><instanceType>{kind}</instanceType></item></fleetInstanceSet>"
    );
    let (status, body, _) = response(ACTION, &inner);
    let cut = state.ill == Ill::DiesAfterTheDeed && !std::mem::replace(&mut state.died, true);
    (status, body, cut)
}
