//! Choosing types, drawing them and sharing out their cost, on a small market whose answers are plain.

use std::collections::BTreeMap;

use crate::bands::{self, Band, Bands};
use crate::bursts::{Bursts, hits};
use crate::choose::choose;
use crate::cost::{IDLE, Node, Use, costs};
use crate::ledger::{Strategy, replay};
use crate::market::{self, Market, Need};
use crate::needs::{Component, Kind, Needs};
use crate::picture;
use crate::policy::{Rules, choose as pools};
use crate::trace;

/// Ten families of 4 cores and 16 GiB at rising prices, spot at 40 % of on demand, three days.
fn market() -> Market {
    let mut types = "region,instance_type,vcpu,memory_mib,arch,on_demand_usd_per_hour\n".to_owned();
    let mut prices = "date,region,instance_type,spot_usd_per_hour\n".to_owned();
    let mut bands = "region,os,instance_type,band\n".to_owned();
    for f in 0..10 {
        for size in ["xlarge", "2xlarge"] {
            let times = if size == "xlarge" { 1 } else { 2 };
            let usd = f64::from(times) * (0.2 + f64::from(f) / 100.0);
            types += &format!(
                "r1,f{f}.{size},{},{},x86_64,{usd}\n",
                4 * times,
                16_384 * times
            );
            for day in 1..4 {
                prices += &format!("2026-01-0{day},r1,f{f}.{size},{}\n", 0.4 * usd);
            }
            bands += &format!("r1,Linux,f{f}.{size},{}\nr1,Windows,f{f}.{size},4\n", f % 2);
        }
    }
    let types = market::types("t", &types).unwrap();
    let bands = bands::parse("b", &bands).unwrap();
    market::markets("p", &prices, &types, &bands)
        .unwrap()
        .remove(0)
}

fn needs() -> Needs {
    let component =
        |name: &str, tuples_per_s, cpu_us_per_tuple, tasks, memory_mib_per_task| Component {
            name: name.to_owned(),
            tuples_per_s,
            cpu_us_per_tuple,
            tasks,
            memory_mib_per_task,
            bytes_per_tuple: 125.0,
        };
    Needs {
        components: vec![
            component("in", 1e6, 40.0, 4, 100.0),
            component("work", 1e6, 72.0, 100, 5_240.32),
        ],
    }
}

#[test]
fn needs_add_up_with_their_reserves() {
    let demand = needs().demand().unwrap();
    assert!((demand.need.vcpu - 160.0).abs() < 1e-9, "{demand:?}");
    assert!((demand.need.memory_gib - (524_432.0 / 1024.0 / 0.8)).abs() < 1e-6);
    assert!((demand.network_mbps - 2_000.0).abs() < 1e-6);
    assert_eq!(demand.kind, Kind::Balanced);
    assert_eq!(
        [2.0, 4.0, 8.0].map(Kind::of),
        [Kind::ComputeHeavy, Kind::Balanced, Kind::MemoryHeavy]
    );
    assert!(
        Needs::default()
            .demand()
            .unwrap_err()
            .to_string()
            .contains("measure")
    );
    let mut wrong = needs();
    wrong.components[0].cpu_us_per_tuple = f64::NAN;
    assert!(wrong.demand().is_err());
}

#[test]
fn a_choice_spreads_and_says_why() {
    let (market, demand) = (market(), needs().demand().unwrap());
    let chosen = choose(&market, &demand, &Rules::default()).unwrap();
    let taken: Vec<_> = chosen.offers.iter().filter(|o| o.nodes > 0).collect();
    assert!(taken.len() >= 8 && chosen.offers.len() == 20);
    assert!(chosen.offers.iter().all(|o| !o.reason.is_empty()));
    assert!(chosen.offers.windows(2).all(|w| w[0].score <= w[1].score));
    assert!(
        chosen.usd_per_hour < 0.5 * chosen.on_demand_usd_per_hour,
        "{chosen:?}"
    );
    let held: f64 = taken
        .iter()
        .map(|o| {
            f64::from(o.nodes)
                / (demand.need.memory_gib
                    / if o.instance_type.contains(".2x") {
                        32.0
                    } else {
                        16.0
                    })
        })
        .sum();
    assert!(held >= 1.0, "{held}");
    let drawn = picture::svg(&chosen);
    assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
    assert!(
        chosen
            .offers
            .iter()
            .all(|o| drawn.contains(&format!(">{}<", o.instance_type)))
    );
    assert_eq!(
        drawn.matches("<text").count(),
        drawn.matches("</text>").count()
    );
}

#[test]
fn closed_pools_are_left_and_on_demand_fills_what_is_missing() {
    let (market, need) = (
        market(),
        Need {
            vcpu: 160.0,
            memory_gib: 640.0,
        },
    );
    let rules = Rules::default();
    let all = pools(&market, 0, need, &rules, &|_| false, &[]);
    assert!(all.on_demand.is_none() && all.part(&market, need) >= 1.0 - 1e-9);
    let most = all
        .pools
        .iter()
        .map(|(i, n)| market.offers[*i].part(need) * f64::from(*n))
        .fold(0.0, f64::max);
    assert!(most <= rules.part_most + 1e-9, "{most}");
    let first = all.pools[0].0;
    let without = pools(&market, 0, need, &rules, &|i| i == first, &[]);
    assert!(
        without.pools.iter().all(|p| p.0 != first) && without.part(&market, need) >= 1.0 - 1e-9
    );
    // The current pools stay while nothing is much cheaper, and go when one of them closes.
    let current: Vec<usize> = all.pools.iter().map(|p| p.0).collect();
    assert_eq!(pools(&market, 1, need, &rules, &|_| false, &current), all);
    for open in [0, 1, 3] {
        let few = pools(&market, 0, need, &rules, &|i| i >= open, &[]);
        assert!(
            few.on_demand.is_some() && few.part(&market, need) >= 1.0 - 1e-9,
            "{open}: {few:?}"
        );
    }
}

#[test]
fn what_a_replay_costs_is_prices_times_hours() {
    let (market, need) = (
        market(),
        Need {
            vcpu: 160.0,
            memory_gib: 640.0,
        },
    );
    let text = "time_s,pool,event,count\n0,a,add,4\n1000,a,remove,4\n5000,a,add,4\n";
    let bursts = Bursts::of(&[trace::parse("t", text, Some(9_000.0)).unwrap()]).unwrap();
    assert_eq!(
        (bursts.number(), bursts.mean_share, bursts.mean_companions),
        (1, 1.0, 0.0)
    );
    let run = |s, seed| replay(&market, need, s, &bursts, 300.0, seed);
    let all = run(Strategy::OnDemand, 1);
    // 40 nodes of 0.2 USD over 72 hours.
    assert!((all.usd - 40.0 * 0.2 * 72.0).abs() < 1e-6 && all.served == 1.0);
    assert!((all.cost_share - 1.0).abs() < 1e-9);
    let lowest = run(Strategy::LowestPrice, 1);
    assert!((lowest.cost_share - 0.4).abs() < 0.02, "{lowest:?}");
    for seed in 0..20 {
        let spread = run(Strategy::Spread(Rules::default()), seed);
        assert!(
            spread.pools >= 8 && spread.served > 0.999 && spread.cost_share < 0.6,
            "{spread:?}"
        );
        assert_eq!(spread, run(Strategy::Spread(Rules::default()), seed));
    }
}

#[test]
fn a_single_pool_is_short_for_as_long_as_its_recording() {
    let (mut market, need) = (
        market(),
        Need {
            vcpu: 16.0,
            memory_gib: 64.0,
        },
    );
    // One offer over ten years, so that it is hit.
    market.offers.truncate(1);
    market.days = 3_650;
    market.offers[0].spot = vec![0.1; 3_650];
    market.offers[0].band = Band::WORST;
    let text = "time_s,pool,event,count\n0,a,add,4\n1000,a,remove,4\n5000,a,add,4\n";
    let bursts = Bursts::of(&[trace::parse("t", text, Some(9_000.0)).unwrap()]).unwrap();
    let length = 3_650.0 * 86_400.0;
    let hits = hits(&bursts, &[Band::WORST], length, 4);
    assert!(hits.len() > 20);
    let single = replay(&market, need, Strategy::SinglePool, &bursts, 300.0, 4);
    let wanted = hits.len() as f64 * 4_000.0 / 60.0;
    assert!(
        (single.short_minutes / wanted - 1.0).abs() < 0.05,
        "{single:?} {wanted}"
    );
}

#[test]
fn costs_are_shared_by_workers_and_nothing_is_left_over() {
    let market = market();
    let node = |kind: &str, life: &str, workers: &[(&str, u32)]| Node {
        instance_type: kind.to_owned(),
        region: "r1".to_owned(),
        life_cycle: life.to_owned(),
        workers: workers.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect(),
    };
    let used = Use {
        nodes: vec![
            node("f0.xlarge", "spot", &[("a", 3), ("b", 1)]),
            node("f0.xlarge", "on-demand", &[("b", 2)]),
            node("f0.xlarge", "spot", &[]),
        ],
        messages_per_s: BTreeMap::from([("a".to_owned(), 1_000.0)]),
    };
    let found = costs(&used, std::slice::from_ref(&market)).unwrap();
    let of = |name: &str| found.iter().find(|c| c.topology == name).unwrap();
    assert!(
        (of("a").usd_per_hour - 0.06).abs() < 1e-12 && (of("a").saved_percent - 60.0).abs() < 1e-9
    );
    assert!((of("a").usd_per_billion.unwrap() - 0.06 / 3.6e6 * 1e9).abs() < 1e-9);
    assert!((of("b").usd_per_hour - 0.22).abs() < 1e-12 && of("b").usd_per_billion.is_none());
    assert!((of(IDLE).usd_per_hour - 0.08).abs() < 1e-12);
    let sum: f64 = found.iter().map(|c| c.usd_per_hour).sum();
    assert!((sum - (0.08 + 0.2 + 0.08)).abs() < 1e-12);
    assert!((of("a").usd_of_series[0] - 0.06 * 72.0).abs() < 1e-9);
    for wrong in [
        node("f0.large", "spot", &[]),
        node("f0.xlarge", "free", &[]),
    ] {
        assert!(
            costs(
                &Use {
                    nodes: vec![wrong],
                    ..Use::default()
                },
                std::slice::from_ref(&market)
            )
            .is_err()
        );
    }
}

#[test]
fn bands_become_rates_and_nonsense_is_refused() {
    let month = 30.0 * 86_400.0;
    for number in 0..5 {
        let band = Band::new(number).unwrap();
        let gone = 1.0 - f64::exp(-band.per_s() * month);
        assert!((gone - band.of_month()).abs() < 1e-12 && band.number() == number);
    }
    assert_eq!(Band::new(5), None);
    assert!(bands::parse("b", "region,os,instance_type,band\nr,Linux,a,7\n").is_err());
    let none: Bands = bands::parse("b", "region,os,instance_type,band\n").unwrap();
    assert!(none.is_empty());
}
