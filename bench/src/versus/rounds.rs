//! A-B-B-A: ours, theirs twice, ours again, so that a machine that drifts favours nobody.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::job::{Job, Side};
use super::readings::{Mark, Window};

/// How long, how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Of a window.
    pub span: Duration,
    /// Windows of each leg; B has two legs.
    pub windows: usize,
}

/// Windows of both sides.
pub struct Both {
    /// Of the two outer legs.
    pub ours: Vec<Window>,
    /// Of the inner ones; none where there is no peer.
    pub theirs: Vec<Window>,
}

/// The two jobs of one comparison, and where their folders are made.
pub struct Pair {
    /// For our side.
    pub ours: Job,
    /// For the peer.
    pub theirs: Job,
}

/// Runs A-B-B-A; A-A without a peer.
///
/// # Errors
/// A side does not start, or counts nothing.
pub fn abba(
    ours: &mut dyn Side,
    theirs: Option<&mut dyn Side>,
    pair: &Pair,
    pace: Pace,
) -> Result<Both> {
    let mut a = leg(ours, &pair.ours, pace.windows, pace.span)?;
    let mut b = Vec::new();
    if let Some(theirs) = theirs {
        b = leg(theirs, &pair.theirs, 2 * pace.windows, pace.span)?;
    }
    a.extend(leg(ours, &pair.ours, pace.windows, pace.span)?);
    Ok(Both { ours: a, theirs: b })
}

/// Starts a job, warms it up, measures, and ends it in any case.
///
/// # Errors
/// As for [`abba`].
pub fn leg(side: &mut dyn Side, job: &Job, windows: usize, span: Duration) -> Result<Vec<Window>> {
    let what = || format!("{} of {}", job.key(), side_name(side));
    let context = what();
    let dir = fresh(&job.dir)?;
    let job = Job { dir, ..job.clone() };
    side.start(&job).with_context(|| context.clone())?;
    let measured = warm(&job, side.warm_up()).and_then(|()| {
        let mut found = Vec::new();
        for _ in 0..windows {
            found.push(window(&job, span)?);
        }
        Ok(found)
    });
    side.stop(&job.dir).with_context(|| context.clone())?;
    // What was read is no longer needed, and a long run has many.
    drop(std::fs::remove_dir_all(&job.dir));
    measured.context(context)
}

fn side_name(side: &dyn Side) -> String {
    side.name()
}

/// A new folder below `dir` for one leg.
///
/// # Errors
/// It cannot be made.
pub fn fresh(dir: &std::path::Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir)?;
    let made = tempfile::Builder::new().prefix("leg-").tempdir_in(dir)?;
    Ok(made.keep())
}

/// Waits for the first count, then for the warm-up.
///
/// # Errors
/// Nothing is counted within 120 s.
pub fn warm(job: &Job, warm_up: Duration) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(120);
    while Mark::read(&job.dir)?.sum() == 0 {
        if Instant::now() > end {
            bail!("nothing was counted in 120 s");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(warm_up);
    Ok(())
}

/// Measures one window of a job that runs.
///
/// # Errors
/// Nothing was counted in it.
pub fn window(job: &Job, span: Duration) -> Result<Window> {
    let before = Mark::read(&job.dir)?;
    std::thread::sleep(span);
    let window = Mark::read(&job.dir)?.since(&before);
    if window.rate <= 0.0 {
        bail!("nothing was counted in a window of {span:?}");
    }
    Ok(window)
}
