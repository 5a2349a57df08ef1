//! Each transition of the slot machine, and what it asks of the shell.

use super::*;

const TIMES: Times = Times {
    start: 1_000,
    silence: 500,
    stop: 300,
};

fn wanted(topology: &str, blob: &str) -> Wanted {
    Wanted {
        topology_id: topology.into(),
        topology_name: topology.into(),
        blob_key: blob.into(),
        program_args: vec![],
        graph_hash: "g".into(),
    }
}

fn life(incarnation: u64) -> Life {
    Life {
        pid: incarnation as u32,
        started: 1,
        incarnation,
    }
}

fn exit(incarnation: u64) -> Event {
    Event::Exited(incarnation, "signal 9".into())
}

fn report(topology: &str, blob: &str, incarnation: u64) -> Command {
    Command::Report(wanted(topology, blob), life(incarnation), "signal 9".into())
}

/// A slot whose worker 1 of topology a, program p, runs since 0.
fn running() -> Slot {
    let mut slot = Slot::new(TIMES);
    let fetch = slot.step(Event::Wanted(Some(wanted("a", "p"))), 0);
    assert_eq!(fetch, [Command::Localize("p".into())]);
    assert_eq!(slot.stage(), Stage::WaitingForBlobLocalization);
    let launch = slot.step(Event::Localized("p".into()), 0);
    assert_eq!(launch, [Command::Launch(wanted("a", "p"))]);
    assert_eq!(slot.step(Event::Launched(life(1)), 0), []);
    assert_eq!(slot.stage(), Stage::WaitingForWorkerStart);
    assert_eq!(slot.step(Event::Heard(1), 0), []);
    assert_eq!(slot.stage(), Stage::Running);
    slot
}

#[test]
fn a_worker_that_dies_is_told_and_started_again_at_once_and_then_later_each_time() {
    let mut slot = running();
    let first = slot.step(exit(1), 10);
    assert_eq!(
        first,
        [
            Command::Sweep(life(1)),
            report("a", "p", 1),
            Command::Launch(wanted("a", "p"))
        ]
    );
    let mut now = 10;
    let mut waits = vec![];
    for n in 2..12 {
        slot.step(Event::Launched(life(n)), now);
        slot.step(exit(n), now);
        assert_eq!(slot.stage(), Stage::KillAndRelaunch);
        let died = now;
        while slot.step(Event::Tick, now).is_empty() {
            now += 100;
        }
        waits.push(now - died);
    }
    assert_eq!(waits[..4], [200, 400, 800, 1_600]);
    assert_eq!(waits[9], RESTART_MOST_MS);
    slot.step(Event::Launched(life(20)), now);
    slot.step(Event::Heard(20), now);
    let steady = slot.step(exit(20), now + STEADY_MS);
    assert!(
        steady.contains(&Command::Launch(wanted("a", "p"))),
        "it had recovered: {steady:?}"
    );
}

#[test]
fn an_exit_or_an_answer_of_another_life_changes_nothing() {
    let mut slot = running();
    assert_eq!(slot.step(exit(7), 10), []);
    assert_eq!(slot.step(Event::Heard(7), 400), []);
    assert_eq!(
        slot.step(Event::Tick, 500),
        [Command::Terminate(life(1))],
        "only its own answers count"
    );
}

#[test]
fn a_slot_that_is_emptied_asks_first_and_kills_after_the_deadline() {
    let mut slot = running();
    assert_eq!(
        slot.step(Event::Wanted(None), 10),
        [Command::Terminate(life(1))]
    );
    assert_eq!(slot.stage(), Stage::Kill);
    assert_eq!(slot.step(Event::Wanted(None), 20), []);
    assert_eq!(slot.step(Event::Tick, 309), []);
    assert_eq!(slot.step(Event::Tick, 310), [Command::Kill(life(1))]);
    assert_eq!(slot.step(Event::Tick, 1_309), []);
    assert_eq!(slot.step(Event::Tick, 1_310), [Command::Kill(life(1))]);
    let gone = slot.step(exit(1), 1_320);
    assert_eq!(
        gone,
        [
            Command::Sweep(life(1)),
            report("a", "p", 1),
            Command::Clean(wanted("a", "p"))
        ]
    );
    assert_eq!((slot.stage(), slot.life()), (Stage::Empty, None));
}

#[test]
fn another_topology_waits_until_the_first_has_gone() {
    let mut slot = running();
    let other = Event::Wanted(Some(wanted("b", "q")));
    assert_eq!(slot.step(other.clone(), 10), [Command::Terminate(life(1))]);
    assert_eq!(slot.step(other, 11), []);
    let next = slot.step(exit(1), 20);
    assert_eq!(
        next[2..],
        [
            Command::Clean(wanted("a", "p")),
            Command::Localize("q".into())
        ]
    );
    assert_eq!(slot.stage(), Stage::WaitingForBlobLocalization);
    assert_eq!(
        slot.step(Event::Localized("p".into()), 21),
        [],
        "an old program does not start the new topology"
    );
    assert_eq!(
        slot.step(Event::Localized("q".into()), 22),
        [Command::Launch(wanted("b", "q"))]
    );
}

#[test]
fn a_topology_that_returns_while_it_is_killed_keeps_its_folder() {
    let mut slot = running();
    slot.step(Event::Wanted(None), 10);
    assert_eq!(slot.step(Event::Wanted(Some(wanted("a", "p"))), 11), []);
    assert_eq!(
        slot.step(exit(1), 20)[2..],
        [Command::Localize("p".into())],
        "no Clean"
    );
}

#[test]
fn a_changed_program_is_fetched_while_the_old_one_ends() {
    for fetched_first in [true, false] {
        let mut slot = running();
        let change = slot.step(Event::Wanted(Some(wanted("a", "q"))), 10);
        assert_eq!(
            change,
            [Command::Localize("q".into()), Command::Terminate(life(1))]
        );
        assert_eq!(slot.stage(), Stage::KillBlobUpdate);
        let launch = if fetched_first {
            assert_eq!(slot.step(Event::Localized("q".into()), 11), []);
            slot.step(exit(1), 12)
        } else {
            assert_eq!(slot.step(exit(1), 12).len(), 2);
            assert_eq!(slot.stage(), Stage::WaitingForBlobUpdate);
            slot.step(Event::Localized("q".into()), 13)
        };
        assert_eq!(launch.last(), Some(&Command::Launch(wanted("a", "q"))));
        assert_eq!(slot.stage(), Stage::WaitingForWorkerStart);
    }
}

#[test]
fn a_changed_program_that_cannot_be_fetched_does_not_hold_up_the_kill() {
    let mut slot = running();
    slot.step(Event::Wanted(Some(wanted("a", "q"))), 10);
    slot.step(Event::LocalizeFailed("q".into()), 20);
    assert_eq!(
        slot.step(Event::Tick, 310),
        [Command::Kill(life(1)), Command::Localize("q".into())]
    );
}

#[test]
fn a_program_that_cannot_be_fetched_is_tried_again_until_nobody_wants_it() {
    let mut slot = Slot::new(TIMES);
    slot.step(Event::Wanted(Some(wanted("a", "p"))), 0);
    assert_eq!(slot.step(Event::LocalizeFailed("p".into()), 0), []);
    assert_eq!(slot.step(Event::Tick, 199), []);
    assert_eq!(slot.step(Event::Tick, 200), [Command::Localize("p".into())]);
    assert_eq!(
        slot.step(Event::Tick, 201),
        [],
        "not again before it has failed again"
    );
    assert_eq!(
        slot.step(Event::Wanted(None), 300),
        [Command::Clean(wanted("a", "p"))]
    );
    assert_eq!(slot.stage(), Stage::Empty);
    assert_eq!(slot.step(Event::Localized("p".into()), 310), []);
}

#[test]
fn a_program_that_does_not_start_is_fetched_again_after_a_while() {
    let mut slot = Slot::new(TIMES);
    slot.step(Event::Wanted(Some(wanted("a", "p"))), 0);
    slot.step(Event::Localized("p".into()), 0);
    assert_eq!(slot.step(Event::LaunchFailed, 0), []);
    assert_eq!(slot.stage(), Stage::WaitingForBlobLocalization);
    assert_eq!(slot.step(Event::Tick, 200), [Command::Localize("p".into())]);
    assert_eq!(
        slot.step(Event::Localized("p".into()), 201),
        [Command::Launch(wanted("a", "p"))]
    );
}

#[test]
fn a_worker_that_never_answers_or_falls_silent_is_killed_and_relaunched() {
    let mut silent = running();
    silent.step(Event::Tick, 400);
    silent.step(Event::Heard(1), 450);
    assert_eq!(silent.step(Event::Tick, 949), []);
    assert_eq!(silent.step(Event::Tick, 950), [Command::Terminate(life(1))]);
    assert_eq!(silent.stage(), Stage::KillAndRelaunch);
    assert_eq!(silent.step(Event::Tick, 1_250), [Command::Kill(life(1))]);
    assert_eq!(
        silent.step(exit(1), 1_260).last(),
        Some(&Command::Launch(wanted("a", "p")))
    );
    assert_eq!(silent.step(Event::Launched(life(2)), 1_260), []);
    assert_eq!(silent.step(Event::Tick, 2_259), []);
    assert_eq!(
        silent.step(Event::Tick, 2_260),
        [Command::Terminate(life(2))]
    );
}

#[test]
fn a_relaunch_turns_into_a_kill_when_nothing_is_wanted_any_more() {
    let mut dying = running();
    dying.step(Event::Tick, 500);
    assert_eq!(dying.stage(), Stage::KillAndRelaunch);
    assert_eq!(
        dying.step(Event::Wanted(None), 600),
        [],
        "it was asked already"
    );
    assert_eq!(dying.stage(), Stage::Kill);
    assert_eq!(
        dying.step(Event::Tick, 800),
        [Command::Kill(life(1))],
        "the first deadline stands"
    );

    let mut waiting = running();
    waiting.step(exit(1), 10);
    waiting.step(Event::Launched(life(2)), 10);
    waiting.step(exit(2), 10);
    assert_eq!(
        waiting.step(Event::Wanted(None), 20),
        [Command::Clean(wanted("a", "p"))]
    );
    assert_eq!(waiting.stage(), Stage::Empty);
}

#[test]
fn a_supervisor_that_stood_still_blames_no_worker() {
    let mut slot = running();
    assert_eq!(slot.step(Event::Tick, STALL_MS + 1_000), []);
    assert_eq!(slot.stage(), Stage::Running);
}

#[test]
fn a_process_of_an_earlier_supervisor_is_adopted_and_disturbed_by_nothing() {
    let mut slot = Slot::new(TIMES);
    assert_eq!(slot.step(Event::Adopt(wanted("a", "p"), life(9)), 0), []);
    assert_eq!(slot.stage(), Stage::WaitingForWorkerStart);
    assert_eq!(slot.step(Event::Wanted(Some(wanted("a", "p"))), 5), []);
    slot.step(Event::Heard(9), 6);
    assert_eq!((slot.stage(), slot.life()), (Stage::Running, Some(life(9))));
    assert_eq!(slot.step(Event::Adopt(wanted("b", "q"), life(10)), 7), []);
    assert_eq!(slot.life(), Some(life(9)), "only an empty slot adopts");
}
