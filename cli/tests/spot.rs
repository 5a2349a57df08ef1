//! `fulmar spot` through the user's door: files in, JSON, tables and pictures out.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn fulmar(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fulmar"))
        .current_dir(folder)
        .args(words)
        .output()
        .expect("the program starts")
}

fn json(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("the answer is JSON")
}

fn question(events: &str) -> String {
    let pools: Vec<String> = ["a", "b", "c", "d", "e"]
        .map(|z| format!("{{\"name\":\"m5.large/us-east-1{z}\",\"nodes\":8}}"))
        .to_vec();
    format!(
        "{{\"nodes\":40,\"pools\":[{}],\"needed\":32,\"window_s\":120,\"target\":0.9999,\"events\":{events}}}",
        pools.join(",")
    )
}

#[test]
fn a_described_cluster_is_answered_in_the_agreed_form() {
    let dir = tempfile::tempdir().expect("a folder");
    let file =
        |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    file(
        "q.json",
        &question("{\"per_pool_per_day\":0.2,\"shares\":[1.0]}"),
    );
    let answer = json(&fulmar(
        dir.path(),
        &["spot", "endure", "--what-if", "q.json", "--output", "json"],
    ));
    assert_eq!(answer["pool"]["extra_nodes"], 8);
    assert_eq!(answer["pool"]["extra_percent"], 25.0);
    assert!(answer["independent"]["extra_nodes"].as_u64() < answer["pool"]["extra_nodes"].as_u64());
    assert_eq!(answer["k_pools"][0]["k"], 1);
    assert_eq!(answer["k_pools"][0]["lost_percent"], 20.0);
    assert_eq!(answer["k_pools"][0]["extra_percent"], 25.0);
    let ci95 = answer["replay"]["ci95"].as_array().expect("an interval");
    let plan = answer["pool"]["availability"].as_f64();
    assert!(ci95[0].as_f64() <= plan && plan <= ci95[1].as_f64());
    assert!(
        answer["why"]
            .as_str()
            .is_some_and(|w| w.contains("40 nodes in 5 pools"))
    );
    let table = fulmar(
        dir.path(),
        &["spot", "endure", "--what-if", "q.json", "--target", "99.9"],
    );
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(
        table.contains("independent nodes") && table.contains("99.9 %"),
        "{table}"
    );
    // A recording beside the question, wherever one stands.
    file(
        "t.csv",
        "time_s,pool,event,node,count\n0,p,add,,8\n600,p,remove,,8\n900,p,add,,8\n3600,p,remove,,2\n7200,p,add,,2\n",
    );
    file("q.json", &question("{\"trace\":\"t.csv\"}"));
    let named = dir.path().join("q.json");
    let named = named.to_str().expect("text");
    let words = ["spot", "endure", "--what-if", named, "--output", "json"];
    let elsewhere = tempfile::tempdir().expect("a folder");
    assert_eq!(
        json(&fulmar(elsewhere.path(), &words)),
        json(&fulmar(dir.path(), &words))
    );
}

#[test]
fn wrong_questions_are_refused_with_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let rate = "{\"per_pool_per_day\":0.2,\"shares\":[1.0]}";
    let wrong = [
        (
            question(rate).replace("\"nodes\":40", "\"nodes\":41"),
            "sum of the pools",
        ),
        (question(rate).replace("0.9999", "1.5"), "target"),
        (
            question("{\"per_pool_per_day\":0.2,\"shares\":[]}"),
            "shares",
        ),
        (question("{\"trace\":\"none.csv\"}"), "none.csv"),
        (question(rate).replace("needed", "wanted"), "wanted"),
        ("{".to_owned(), "EOF"),
    ];
    for (text, word) in wrong {
        std::fs::write(dir.path().join("q.json"), text).expect("written");
        let output = fulmar(dir.path(), &["spot", "endure", "--what-if", "q.json"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && said.contains(word),
            "{said}"
        );
    }
}

#[test]
fn types_are_chosen_and_costs_told_from_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut types = "region,instance_type,vcpu,memory_mib,arch,on_demand_usd_per_hour\n".to_owned();
    let mut prices = "date,region,instance_type,spot_usd_per_hour\n".to_owned();
    for f in 0..10 {
        types += &format!("r1,f{f}.xlarge,4,16384,x86_64,0.2\n");
        prices += &format!("2026-01-01,r1,f{f}.xlarge,0.0{}\n", 60 + f);
    }
    let file =
        |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    file("types.csv", &types);
    file("prices.csv", &prices);
    file(
        "needs.json",
        r#"{"components":[{"name":"work","tuples_per_s":1000000,"cpu_us_per_tuple":50,"tasks":10,"memory_mib_per_task":1000}]}"#,
    );
    let data = ["--prices", "prices.csv", "--types", "types.csv"];
    let choose = [
        "spot",
        "choose",
        "--needs",
        "needs.json",
        "--region",
        "r1",
        "--picture",
        "p.svg",
    ];
    let answer = json(&fulmar(
        dir.path(),
        &[&choose[..], &data[..], &["--output", "json"]].concat(),
    ));
    assert_eq!(answer["kind"], "compute-heavy");
    let taken = answer["offers"]
        .as_array()
        .expect("offers")
        .iter()
        .filter(|o| o["nodes"] != 0)
        .count();
    assert!(taken >= 8, "{answer}");
    assert!(std::fs::read_to_string(dir.path().join("p.svg")).is_ok_and(|s| s.contains("</svg>")));
    let twice = json(&fulmar(
        dir.path(),
        &[
            &choose[..],
            &data[..],
            &["--times", "2", "--output", "json"],
        ]
        .concat(),
    ));
    let cores = |a: &Value| a["vcpu"].as_f64().expect("a number");
    assert!((cores(&twice) - 2.0 * cores(&answer)).abs() < 1e-9);
    let other = fulmar(
        dir.path(),
        &[
            &["spot", "choose", "--needs", "needs.json", "--region", "r2"],
            &data[..],
        ]
        .concat(),
    );
    assert!(
        other.status.code() == Some(2) && String::from_utf8_lossy(&other.stderr).contains("r1")
    );
    file(
        "use.json",
        r#"{"nodes":[{"instance_type":"f0.xlarge","region":"r1","life_cycle":"spot","workers":{"a":1}}],"messages_per_s":{"a":1000}}"#,
    );
    let cost = [
        "spot",
        "cost",
        "--use",
        "use.json",
        "--metrics",
        "cost.prom",
        "--plan",
        "2",
        "--output",
        "json",
    ];
    let answer = json(&fulmar(dir.path(), &[&cost[..], &data[..]].concat()));
    assert_eq!(answer["topologies"][0]["topology"], "a");
    assert!(
        (answer["topologies"][0]["saved_percent"]
            .as_f64()
            .expect("a number")
            - 70.0)
            .abs()
            < 1e-6
    );
    let metrics = std::fs::read_to_string(dir.path().join("cost.prom")).expect("written");
    assert!(
        metrics.contains("fulmar_spot_usd_per_hour{topology=\"a\"} 0.06"),
        "{metrics}"
    );
    assert!(
        metrics.contains("fulmar_spot_plan_usd_per_hour 2"),
        "{metrics}"
    );
}
