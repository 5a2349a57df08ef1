//! What the demo writes for others to recount: one JSON object a line, one file for each kind.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Serialize;

use crate::failure::Failure;

/// The files; nothing is written where no folder was asked for.
#[derive(Default)]
pub struct Dump {
    dir: Option<PathBuf>,
    files: Mutex<HashMap<&'static str, BufWriter<File>>>,
    problem: Mutex<Option<String>>,
}

impl Dump {
    /// Into this folder, which is made.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn to(dir: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(dir) = &dir {
            // Also a kind of which nothing comes has its file: empty is an answer too.
            std::fs::create_dir_all(dir)
                .and_then(|()| File::create(dir.join("rejected.jsonl")).map(drop))
                .map_err(|e| Failure::Failed(format!("--dump {}: {e}", dir.display())))?;
        }
        Ok(Self {
            dir,
            ..Self::default()
        })
    }

    /// Whether anything is written.
    pub fn is_on(&self) -> bool {
        self.dir.is_some()
    }

    /// Appends a line to `NAME.jsonl`.
    pub fn write(&self, name: &'static str, line: &impl Serialize) {
        let Some(dir) = &self.dir else { return };
        let outcome = (|| {
            let mut files = self.files.lock().unwrap_or_else(|e| e.into_inner());
            let file = match files.entry(name) {
                std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::hash_map::Entry::Vacant(none) => none.insert(BufWriter::new(
                    File::create(dir.join(format!("{name}.jsonl")))?,
                )),
            };
            serde_json::to_writer(&mut *file, line)?;
            file.write_all(b"\n")?;
            // Others may want to kill a process by it at once.
            if name == "processes" {
                file.flush()?;
            }
            std::io::Result::Ok(())
        })();
        if let Err(error) = outcome {
            let mut problem = self.problem.lock().unwrap_or_else(|e| e.into_inner());
            problem.get_or_insert_with(|| format!("the dump is not whole: {name}.jsonl: {error}"));
        }
    }

    /// Writes what is buffered; what went wrong so far.
    pub fn finish(&self) -> Option<String> {
        let mut files = self.files.lock().unwrap_or_else(|e| e.into_inner());
        let mut problem = self.problem.lock().unwrap_or_else(|e| e.into_inner());
        for (name, file) in files.iter_mut() {
            if let Err(error) = file.flush() {
                problem
                    .get_or_insert_with(|| format!("the dump is not whole: {name}.jsonl: {error}"));
            }
        }
        problem.clone()
    }
}
