//! Tables in a folder: every `*.csv` and `*.csv.gz`, by the names of their columns.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use csv::StringRecord;
use flate2::read::GzDecoder;

/// Most rows of a folder: some hundred bytes each.
const ROWS_MOST: usize = 5_000_000;

/// Rows of all files, one after the other.
#[derive(Default)]
pub struct Table {
    columns: Vec<HashMap<String, usize>>,
    /// The file of each row, and the row.
    rows: Vec<(usize, StringRecord)>,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// A column's text, empty where the column is missing.
    pub fn text(&self, name: &str) -> &'a str {
        let at = self.columns.get(name);
        at.and_then(|at| self.record.get(*at)).unwrap_or("")
    }

    /// A column's number; NaN where there is none.
    pub fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or(f64::NAN)
    }
}

impl Table {
    /// Reads a folder; answers none where there is no such folder.
    ///
    /// # Errors
    /// A file cannot be read, is no table, or the rows are too many.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|f| {
            let name = f.to_string_lossy();
            name.ends_with(".csv") || name.ends_with(".csv.gz")
        });
        files.sort();
        let mut table = Self::default();
        for file in &files {
            table
                .add(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
        }
        Ok(Some(table))
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path)?;
        let bytes: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
            Box::new(GzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers()?.iter().enumerate();
        self.columns
            .push(header.map(|(i, name)| (name.to_owned(), i)).collect());
        let file = self.columns.len() - 1;
        for record in reader.records() {
            self.rows.push((file, record?));
            if self.rows.len() > ROWS_MOST {
                bail!("more than {ROWS_MOST} rows; split the folder");
            }
        }
        Ok(())
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(file, record)| Row {
            columns: &self.columns[*file],
            record,
        })
    }
}
