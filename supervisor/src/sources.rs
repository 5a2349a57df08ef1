//! Where notices come from: a file, for drills, and the metadata service. Each source is a task that
//! tells the owner what it saw; what that means is decided in [`crate::notice`].

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::event::Input;
use crate::imds::Imds;
use crate::limits::{LIFECYCLE_GRACE_MS, NOTICE_FILE_MOST};
use crate::link::now_ms;
use crate::notice::{Kind, Said};
use crate::said;

/// The file is looked at this often.
const FILE_EVERY: Duration = Duration::from_millis(500);

/// So many looks in a row at a file that cannot be understood make it a sentence that is due now: one
/// look may have met it half written.
const UNCLEAR_LOOKS: u32 = 3;

/// Watches a notice file until nobody listens.
pub async fn watch_file(path: PathBuf, out: mpsc::Sender<Input>) {
    let mut every = interval(FILE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unclear = 0;
    loop {
        every.tick().await;
        let found = match look(&path) {
            Looked::Absent => None,
            Looked::Clear(kind, said) => Some((kind, said)),
            Looked::Unclear => {
                unclear += 1;
                if unclear < UNCLEAR_LOOKS {
                    continue;
                }
                if unclear == UNCLEAR_LOOKS {
                    let path = path.display();
                    tracing::warn!(
                        "notice file {path} is not understood: it counts as a sentence that is due now"
                    );
                }
                Some((Kind::Sentence, Said::There(None)))
            }
        };
        if !matches!(found, Some((_, Said::There(None)))) {
            unclear = 0;
        }
        for kind in [Kind::Advice, Kind::Sentence] {
            let said = match &found {
                Some((k, said)) if *k == kind => said.clone(),
                _ => Said::None,
            };
            let source = "file";
            if out.send(Input::Said { source, kind, said }).await.is_err() {
                return;
            }
        }
    }
}

enum Looked {
    Absent,
    Clear(Kind, Said),
    Unclear,
}

fn look(path: &Path) -> Looked {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Looked::Absent,
        Err(_) => return Looked::Unclear,
    };
    if meta.len() > NOTICE_FILE_MOST {
        return Looked::Unclear;
    }
    let changed = meta.modified().ok();
    let changed = changed.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match said::notice_file(&text, changed.map_or(0, |d| d.as_millis() as u64)) {
        Some((kind, said)) => Looked::Clear(kind, said),
        None => Looked::Unclear,
    }
}

/// Asks the metadata service until nobody listens: who this instance is, then for notices.
pub async fn watch_imds(imds: Imds, each: Duration, out: mpsc::Sender<Input>) {
    let mut every = interval(each);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut known, mut quiet) = (false, false);
    loop {
        every.tick().await;
        if !known && let Ok(identity) = imds.identity().await {
            known = true;
            if out.send(Input::Identity(identity)).await.is_err() {
                return;
            }
        }
        let (action, advice, group) = tokio::join!(
            imds.get("/latest/meta-data/spot/instance-action"),
            imds.get("/latest/meta-data/events/recommendations/rebalance"),
            imds.get("/latest/meta-data/autoscaling/target-lifecycle-state"),
        );
        let problem = action.as_ref().err().or(advice.as_ref().err());
        let problem = problem.or(group.as_ref().err());
        match problem.map(ToString::to_string) {
            Some(problem) if !quiet => {
                tracing::warn!("{problem}; asked again every {each:?}");
                quiet = true;
            }
            None if quiet => {
                tracing::info!("the metadata service answers again");
                quiet = false;
            }
            _ => {}
        }
        let sentence = action.map(|a| a.map_or(Said::None, |body| said::instance_action(&body)));
        let advice = advice.map(|a| a.map_or(Said::None, |_| Said::There(None)));
        let state = |s: Option<String>| s.unwrap_or_default();
        let group = group.map(|g| said::lifecycle(&state(g), now_ms(), LIFECYCLE_GRACE_MS));
        for (source, kind, said) in [
            ("imds", Kind::Sentence, sentence),
            ("rebalance", Kind::Advice, advice),
            ("autoscaling", Kind::Sentence, group),
        ] {
            // Silence is no answer: it neither gives a notice nor takes one back.
            let Ok(said) = said else { continue };
            if out.send(Input::Said { source, kind, said }).await.is_err() {
                return;
            }
        }
    }
}
