//! What is said of a node by whom, in every order, and what holds of it.

use super::*;

const NOW: u64 = 1_000_000;

fn notice(source: &str, deadline_ms: Option<u64>) -> Notice {
    Notice {
        sentence: deadline_ms.is_some(),
        deadline_ms: deadline_ms.unwrap_or(0),
        source: source.into(),
        since_ms: 0,
    }
}

fn state() -> State {
    let mut state = State::default();
    let node = Node {
        id: "n".into(),
        instance_id: "i-1".into(),
        ..Node::default()
    };
    state.nodes.insert("n".into(), node);
    state.heard.insert("n".into(), NOW);
    state
}

fn kinds(out: &[Command]) -> Vec<&'static str> {
    let kind = |c: &Command| match c {
        Command::Tell(kind, ..) => Some(*kind),
        _ => None,
    };
    out.iter().filter_map(kind).collect()
}

#[test]
fn said_again_it_changes_nothing_and_the_earliest_deadline_holds() {
    let mut held = Vec::new();
    let mut say = |deadline| take(&mut held, notice("imds", Some(deadline)), NOW);
    assert_eq!(say(NOW + 120_000), Change::New);
    assert_eq!(say(NOW + 120_000), Change::Nothing);
    assert_eq!(say(NOW + 125_000), Change::Nothing, "it slides");
    assert_eq!(say(NOW + 90_000), Change::Earlier);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].deadline_ms, NOW + 90_000);
}

#[test]
fn a_deadline_in_the_past_missing_or_absurd_is_now() {
    for deadline in [0, 1, NOW - 1, NOW + PLAUSIBLE_MS + 1, u64::MAX] {
        let mut held = Vec::new();
        take(&mut held, notice("eventbridge", Some(deadline)), NOW);
        assert_eq!(held[0].deadline_ms, NOW, "{deadline}");
    }
}

#[test]
fn only_who_gave_a_notice_takes_it_back() {
    let (mut s, mut out) = (state(), Vec::new());
    s.noticed(
        "i-1",
        notice(EVENTBRIDGE, Some(NOW + 60_000)),
        NOW,
        &mut out,
    );
    s.noticed("n", notice("imds", Some(NOW + 50_000)), NOW, &mut out);
    assert_eq!(kinds(&out), ["notice", "notice"]);
    assert_eq!(s.nodes["n"].deadline_ms(), Some(NOW + 50_000));
    s.retracted("n", "supervisor", &mut out);
    assert!(s.nodes["n"].is_condemned(), "the event still says so");
    s.retracted("n", EVENTBRIDGE, &mut out);
    assert!(!s.nodes["n"].cordoned);
    // Nothing is left to take back.
    out.clear();
    s.retracted("n", "supervisor", &mut out);
    assert_eq!(out, []);
}

#[test]
fn an_event_for_a_stranger_is_nothing_to_us() {
    let (mut s, mut out) = (state(), Vec::new());
    s.noticed("i-2", notice(EVENTBRIDGE, Some(NOW)), NOW, &mut out);
    s.noticed("", notice(EVENTBRIDGE, Some(NOW)), NOW, &mut out);
    s.retracted("i-2", EVENTBRIDGE, &mut out);
    assert_eq!(out, []);
    assert!(!s.nodes["n"].cordoned);
}

#[test]
fn what_an_event_said_ends_by_time_and_what_a_supervisor_says_does_not() {
    let (mut s, mut out) = (state(), Vec::new());
    s.noticed("n", notice(EVENTBRIDGE, None), NOW, &mut out);
    s.noticed("n", notice("imds", Some(NOW + 1_000)), NOW, &mut out);
    s.notices_end(NOW + ADVICE_MS, &mut out);
    assert_eq!(s.nodes["n"].notices.len(), 1);
    s.notices_end(NOW + 100 * OVERDUE_MS, &mut out);
    assert!(s.nodes["n"].is_condemned());

    let (mut s, mut out) = (state(), Vec::new());
    s.noticed("n", notice(EVENTBRIDGE, Some(NOW + 1_000)), NOW, &mut out);
    s.notices_end(NOW + OVERDUE_MS, &mut out);
    assert!(s.nodes["n"].is_condemned());
    s.notices_end(NOW + 1_000 + OVERDUE_MS, &mut out);
    assert!(!s.nodes["n"].cordoned, "it was spared");
}
