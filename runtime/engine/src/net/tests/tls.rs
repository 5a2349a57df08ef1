//! Workers that speak TLS: with a certificate of the cluster's authority they are heard, else refused.

use std::path::Path;

use fulmar_api::Config;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;
use crate::net::tls::Tls;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The configuration of a worker whose certificate one authority signed, and who trusts another.
fn conf(dir: &Path, signed_by: &Authority, trusts: &Authority) -> Config {
    let pair = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&pair, signed_by).unwrap();
    let (store, trust) = (dir.join("worker.pem"), dir.join("authorities.pem"));
    std::fs::write(&store, certificate.pem() + &pair.serialize_pem()).unwrap();
    std::fs::write(&trust, trusts.pem()).unwrap();
    let mut conf = Config::default();
    conf.set("storm.messaging.netty.tls.enable", true);
    for (key, path) in [("keystore", store), ("truststore", trust)] {
        let key = format!("storm.messaging.netty.tls.{key}.path");
        conf.set(&key, path.to_str().unwrap());
    }
    conf
}

fn with(conf: &Config, seen: &Arc<Seen>) -> Topology {
    let mut topology = topology(20_000, seen, false);
    topology.spec.conf.merge(conf);
    topology
}

/// Two workers with these configurations, the spout in the first.
fn two(confs: [&Config; 2], seen: &Arc<Seen>, runtimes: [&tokio::runtime::Runtime; 2]) -> Pair {
    Pair::parted(confs.map(|conf| with(conf, seen)), runtimes).told()
}

#[test]
fn tuples_and_acks_cross_by_tls() {
    let (seen, one, other) = (Arc::new(Seen::default()), runtime(), runtime());
    let (dirs, authority) = (
        [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
        authority(),
    );
    let confs = [0, 1].map(|i: usize| conf(dirs[i].path(), &authority, &authority));
    let mut pair = two([&confs[0], &confs[1]], &seen, [&one, &other]);
    until("linked", || {
        pair.net_a.connected() && pair.net_b.connected()
    });
    pair.a.set_active(true);
    until("acked", || seen.acked.load(Ordering::Relaxed) == 20_000);
    assert_eq!(seen.failed.load(Ordering::Relaxed), 0);
}

#[test]
fn who_has_no_certificate_of_the_authority_is_not_heard() {
    let (seen, one, other) = (Arc::new(Seen::default()), runtime(), runtime());
    let (dirs, ours) = (
        [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
        authority(),
    );
    let good = conf(dirs[0].path(), &ours, &ours);
    let stranger = conf(dirs[1].path(), &authority(), &ours);
    for other_conf in [&stranger, &Config::default()] {
        let pair = two([&good, other_conf], &seen, [&one, &other]);
        until("lost", || pair.net_a.take_lost() == [2]);
        assert!(!pair.net_a.connected() && !pair.net_b.connected());
    }
}

#[test]
fn a_missing_or_wrong_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ours = authority();
    let good = conf(dir.path(), &ours, &ours);
    let said = |conf: &Config| match Tls::of(conf) {
        Ok(_) => panic!("taken"),
        Err(error) => error.to_string(),
    };
    let mut without = Config::default();
    without.set("storm.messaging.netty.tls.enable", true);
    assert!(said(&without).contains("storm.messaging.netty.tls.keystore.path is not set"));
    let mut wrong = good.clone();
    let trust = dir.path().join("authorities.pem");
    wrong.set(
        "storm.messaging.netty.tls.keystore.path",
        trust.to_str().unwrap(),
    );
    let said = said(&wrong);
    assert!(
        said.contains("authorities.pem") && said.contains("keystore.path"),
        "{said}"
    );
}
