//! What sources say in every odd way, and what Nimbus hears of it.

use super::*;

const NOW: u64 = 1_000_000;
const ADVICE: u64 = 60_000;

fn key(kind: Kind) -> Key {
    Key {
        instance: "i-1".into(),
        kind,
    }
}

fn notices() -> Notices {
    Notices::new(ADVICE)
}

fn sentence(n: &mut Notices, deadline: Option<u64>, now: u64) -> Vec<Command> {
    n.said("imds", key(Kind::Sentence), Said::There(deadline), now)
}

fn none(n: &mut Notices, source: &'static str, kind: Kind) -> Vec<Command> {
    n.said(source, key(kind), Said::None, NOW)
}

fn report(kind: Kind, deadline_ms: u64) -> Command {
    Command::Report(Notice {
        kind,
        deadline_ms,
        source: "imds",
        since_ms: NOW,
    })
}

#[test]
fn a_sentence_is_told_once_and_condemns_the_node() {
    let mut n = notices();
    assert!(!n.is_condemned());
    let at = NOW + 120_000;
    assert_eq!(
        sentence(&mut n, Some(at), NOW),
        [report(Kind::Sentence, at)]
    );
    assert_eq!(sentence(&mut n, Some(at), NOW + 1_000), []);
    assert!(n.is_condemned());
    assert_eq!(n.standing().len(), 1);
}

#[test]
fn of_sliding_deadlines_the_earliest_wins_and_only_an_earlier_one_is_told() {
    let mut n = notices();
    sentence(&mut n, Some(NOW + 120_000), NOW);
    assert_eq!(sentence(&mut n, Some(NOW + 121_000), NOW + 1_000), []);
    assert_eq!(
        sentence(&mut n, Some(NOW + 90_000), NOW + 2_000),
        [report(Kind::Sentence, NOW + 90_000)]
    );
    assert_eq!(
        sentence(&mut n, Some(NOW + 90_000), NOW + 95_000),
        [],
        "one that has passed since stays what it was"
    );
}

#[test]
fn a_deadline_that_is_past_unreadable_or_beyond_belief_is_now() {
    for said in [Some(NOW - 1), Some(0), None, Some(NOW + PLAUSIBLE_MS + 1)] {
        let mut n = notices();
        assert_eq!(
            sentence(&mut n, said, NOW),
            [report(Kind::Sentence, NOW)],
            "{said:?}"
        );
        assert_eq!(
            sentence(&mut n, said, NOW + 5_000),
            [],
            "{said:?} again is no new notice"
        );
    }
}

#[test]
fn three_answers_of_none_in_a_row_take_it_back_and_an_answer_in_between_starts_over() {
    let mut n = notices();
    assert_eq!(
        none(&mut n, "imds", Kind::Sentence),
        [],
        "none before any is nothing"
    );
    sentence(&mut n, Some(NOW + 9), NOW);
    for _ in 0..2 {
        assert_eq!(none(&mut n, "imds", Kind::Sentence), []);
    }
    sentence(&mut n, Some(NOW + 9), NOW);
    for _ in 0..2 {
        assert_eq!(none(&mut n, "imds", Kind::Sentence), []);
    }
    assert!(n.is_condemned());
    assert_eq!(
        none(&mut n, "imds", Kind::Sentence),
        [Command::Retract(Kind::Sentence)]
    );
    assert!(!n.is_condemned());
    assert_eq!(
        sentence(&mut n, Some(NOW + 9), NOW),
        [report(Kind::Sentence, NOW + 9)]
    );
}

#[test]
fn every_source_that_gave_it_must_take_it_back() {
    let mut n = notices();
    sentence(&mut n, Some(NOW + 9), NOW);
    assert_eq!(
        n.said(
            "file",
            key(Kind::Sentence),
            Said::There(Some(NOW + 50)),
            NOW
        ),
        []
    );
    for _ in 0..5 {
        assert_eq!(none(&mut n, "imds", Kind::Sentence), []);
    }
    for _ in 0..2 {
        assert_eq!(none(&mut n, "file", Kind::Sentence), []);
    }
    assert_eq!(
        none(&mut n, "file", Kind::Sentence),
        [Command::Retract(Kind::Sentence)]
    );
}

#[test]
fn advice_ends_by_itself_and_does_not_begin_again_while_its_source_repeats_it() {
    let mut n = notices();
    let advice = |n: &mut Notices, now| n.said("imds", key(Kind::Advice), Said::There(None), now);
    assert_eq!(advice(&mut n, NOW), [report(Kind::Advice, 0)]);
    assert!(!n.is_condemned());
    assert_eq!(n.tick(NOW + ADVICE - 1), []);
    assert_eq!(n.tick(NOW + ADVICE), [Command::Retract(Kind::Advice)]);
    assert_eq!(n.tick(NOW + ADVICE + 1), []);
    assert_eq!(advice(&mut n, NOW + ADVICE + 2), []);
    assert_eq!(n.standing(), []);
    for _ in 0..3 {
        assert_eq!(none(&mut n, "imds", Kind::Advice), []);
    }
    assert_eq!(advice(&mut n, NOW), [report(Kind::Advice, 0)]);
}

#[test]
fn the_end_of_advice_does_not_take_a_sentence_back_and_the_end_of_a_sentence_leaves_the_advice() {
    let mut n = notices();
    n.said("imds", key(Kind::Advice), Said::There(None), NOW);
    sentence(&mut n, Some(NOW + 9), NOW);
    for _ in 0..3 {
        assert_eq!(none(&mut n, "imds", Kind::Advice), []);
    }
    assert!(n.is_condemned());
    n.said("imds", key(Kind::Advice), Said::There(None), NOW);
    none(&mut n, "imds", Kind::Sentence);
    none(&mut n, "imds", Kind::Sentence);
    assert_eq!(
        none(&mut n, "imds", Kind::Sentence),
        [Command::Retract(Kind::Sentence), report(Kind::Advice, 0)]
    );
}

#[test]
fn instances_and_kinds_are_kept_apart_and_their_number_is_bounded() {
    let mut n = notices();
    for i in 0..NOTICES_MOST + 5 {
        let key = Key {
            instance: format!("i-{i}"),
            kind: Kind::Sentence,
        };
        let told = n.said("file", key, Said::There(Some(NOW)), NOW);
        assert_eq!(told.len(), usize::from(i < NOTICES_MOST));
    }
    assert_eq!(n.standing().len(), NOTICES_MOST);
}

#[test]
fn sources_of_one_kind_are_one_notice_and_each_takes_back_its_own() {
    let mut n = notices();
    assert_eq!(sentence(&mut n, Some(NOW + 120_000), NOW).len(), 1);
    let group = Said::There(Some(NOW + 30_000));
    let told = n.said("autoscaling", key(Kind::Sentence), group, NOW);
    assert_eq!(
        told,
        vec![report(Kind::Sentence, NOW + 30_000)],
        "the earlier deadline"
    );
    for _ in 0..5 {
        assert_eq!(none(&mut n, "autoscaling", Kind::Sentence), vec![]);
    }
    assert!(n.is_condemned() && n.gives("imds") && !n.gives("autoscaling"));
    for _ in 0..2 {
        assert_eq!(none(&mut n, "imds", Kind::Sentence), vec![]);
    }
    let told = none(&mut n, "imds", Kind::Sentence);
    assert_eq!(told, vec![Command::Retract(Kind::Sentence)]);
}

#[test]
fn a_source_that_never_spoke_takes_nothing_back() {
    let mut n = notices();
    sentence(&mut n, Some(NOW + 120_000), NOW);
    for _ in 0..10 {
        assert_eq!(none(&mut n, "file", Kind::Sentence), vec![]);
        assert_eq!(none(&mut n, "autoscaling", Kind::Sentence), vec![]);
    }
    assert!(n.is_condemned());
}
