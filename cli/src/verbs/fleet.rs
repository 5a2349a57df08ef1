//! `fulmar fleet`: the fleet manager on EC2, what it sees and what it would do.

/// Arguments.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  fulmar nimbus --config fleet.yaml                    with fleet.enable: true Nimbus runs the manager
  fulmar fleet run --config fleet.yaml                 the manager as a process of its own
  fulmar fleet plan --config fleet.yaml                what it would do now; nothing is done
  fulmar fleet status --config fleet.yaml              the cluster's instances

fleet.yaml: fleet.ec2.region, fleet.ec2.template, fleet.ec2.subnets, fleet.prices, fleet.types; docs/spot.md has all keys.
Credentials come from the environment, a profile, or the instance's role, as for every AWS program.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Manage the fleet until SIGTERM or Ctrl-C.
    Run {
        /// Say what would be done now, do nothing, and end: the same as `plan`.
        #[arg(long)]
        dry_run: bool,
    },
    /// Say what would be done now, and do nothing.
    Plan,
    /// Show the cluster's instances: pool, how they are paid, order, work.
    Status,
    /// Ask for a Spot Fleet over the pools of the plan, with no nodes yet, and print its id for fleet.ec2.fleet.
    Request {
        /// The role that Spot Fleet acts with, arn:aws:iam::ACCOUNT:role/aws-ec2-spot-fleet-tagging-role.
        #[arg(long, value_name = "ARN")]
        role: String,
    },
}

/// Runs the verb.
#[cfg(not(feature = "ec2"))]
pub fn run(_: &crate::args::Common, args: &Args) -> crate::failure::Done {
    match &args.what {
        What::Run { dry_run: _ } | What::Plan | What::Status | What::Request { role: _ } => {
            Err(crate::fleet::without())
        }
    }
}

#[cfg(feature = "ec2")]
pub use with::run;

#[cfg(feature = "ec2")]
mod with {
    use fulmar_spot_ec2::Known;
    use fulmar_spot_ec2::rehearsal::Plan;
    use fulmar_spot_plan::fleet::{Command, Life, Pool};
    use serde_json::json;

    use super::{Args, What};
    use crate::args::{Common, Output};
    use crate::client::block_on;
    use crate::failure::{Done, Failure};
    use crate::fleet::start::Fleet;
    use crate::verbs::nimbus::ended;
    use crate::{output, settings};

    /// Runs the verb.
    pub fn run(common: &Common, args: &Args) -> Done {
        let conf = settings::load(common)?;
        let nimbuses = settings::nimbuses(common)?;
        let Some(nimbus) = nimbuses.first() else {
            return Err(Failure::Usage(
                "nimbus.seeds is empty: name a Nimbus with --nimbus HOST:PORT".to_owned(),
            ));
        };
        block_on(async {
            let fleet = Fleet::of(&conf, nimbus).await?;
            match &args.what {
                What::Run { dry_run: false } => tokio::select! {
                    done = fleet.run() => done,
                    () = ended() => Ok(()),
                },
                What::Run { dry_run: true } | What::Plan => plan(common.output, &fleet).await,
                What::Status => status(common.output, &fleet).await,
                What::Request { role } => request(common.output, &fleet, role).await,
            }
        })
    }

    async fn rehearsed(fleet: &Fleet) -> Result<(Known, Plan), Failure> {
        let known = fleet.nimbus.known().await?;
        let now = fulmar_spot_ec2::events::now_ms();
        let plan = fleet
            .ec2
            .rehearse(&known, now)
            .await
            .map_err(Failure::here)?;
        Ok((known, plan))
    }

    fn life(life: Life) -> &'static str {
        match life {
            Life::Spot => "spot",
            Life::OnDemand => "on demand",
        }
    }

    fn name(pools: &[Pool], i: usize) -> String {
        format!("{}/{}", pools[i].instance_type, pools[i].zone)
    }

    async fn plan(form: Output, fleet: &Fleet) -> Done {
        let (known, plan) = rehearsed(fleet).await?;
        let row = |c: &Command| match c {
            Command::Launch(o) => {
                let pools: Vec<String> = o.pools.iter().map(|i| name(&plan.pools, *i)).collect();
                let what = format!("order {} on {}", o.nodes, life(o.life));
                let more = if pools.len() > 4 { " …" } else { "" };
                let first: Vec<&str> = pools.iter().take(4).map(String::as_str).collect();
                vec![
                    what,
                    format!("any of {} pools: {}{more}", pools.len(), first.join(" ")),
                ]
            }
            Command::Drain(id) => vec![format!("let go {id}"), "its work moves first".to_owned()],
            Command::Terminate(id) => vec![format!("end {id}"), String::new()],
            Command::Say(text) => vec!["say".to_owned(), text.clone()],
        };
        let json = json!({"plan": plan, "usd_per_hour": known.wish.usd_per_hour,
            "on_demand_usd_per_hour": known.wish.on_demand_usd_per_hour, "done": false});
        if form == Output::Table {
            println!(
                "wanted {:.0} % of the need, there {:.0} % in {} instances; {} pools; {:.3} USD/h planned, {:.3} on demand\nnothing is done:\n",
                100.0 * plan.wanted,
                100.0 * plan.there,
                plan.instances.len(),
                plan.pools.len(),
                known.wish.usd_per_hour,
                known.wish.on_demand_usd_per_hour
            );
        }
        let rows = plan.commands.iter().map(row).collect();
        output::print(form, &["would", "how"], rows, &json);
        Ok(())
    }

    async fn status(form: Output, fleet: &Fleet) -> Done {
        let (known, plan) = rehearsed(fleet).await?;
        let state = |s: &fulmar_spot_ec2::Seen| match known.nodes.get(&s.id) {
            _ if s.ending_ms.is_some() => "is let go".to_owned(),
            None => format!("{}, no supervisor yet", s.state),
            Some(n) if n.sentenced => "will be terminated".to_owned(),
            Some(n) if n.advised => "may be terminated".to_owned(),
            Some(n) => format!("{} executors", n.work),
        };
        let row = |s: &fulmar_spot_ec2::Seen| {
            let pool = format!("{}/{}", s.instance_type, s.zone);
            vec![
                s.id.clone(),
                pool,
                life(s.life).to_owned(),
                s.order.clone(),
                state(s),
            ]
        };
        let one = |s: &fulmar_spot_ec2::Seen| {
            json!({"instance": s, "node": known.nodes.get(&s.id).map(|n|
                json!({"work": n.work, "sentenced": n.sentenced, "advised": n.advised}))})
        };
        let json = json!({"wanted": plan.wanted, "there": plan.there,
            "instances": plan.instances.iter().map(one).collect::<Vec<_>>()});
        let rows = plan.instances.iter().map(row).collect();
        output::print(
            form,
            &["instance", "pool", "paid", "order", "state"],
            rows,
            &json,
        );
        Ok(())
    }

    async fn request(form: Output, fleet: &Fleet, role: &str) -> Done {
        let known = fleet.nimbus.known().await?;
        let zones = fleet.ec2.zones().await.map_err(Failure::here)?;
        let names: Vec<String> = zones.keys().cloned().collect();
        let pools = known.wish.pools(&names);
        if pools.is_empty() {
            return Err(Failure::Refused(
                "no topology needs anything yet, so there are no pools: submit one first"
                    .to_owned(),
            ));
        }
        let asked = fleet.ec2.request_spot_fleet(role, &pools, &zones, 0).await;
        let id = asked.map_err(Failure::here)?;
        output::say(
            form,
            &format!("fleet.ec2.fleet: {id}"),
            &json!({"fleet": id}),
        );
        Ok(())
    }
}
