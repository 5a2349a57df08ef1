//! Plain CSV texts by the names of their columns: no quotes, since none of our tables needs them.
//!
//! Pure: no clock, no I/O, no async.

use crate::error::{Error, Result};

/// A text with its columns found.
pub struct Table<'a> {
    name: &'a str,
    columns: Vec<usize>,
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
}

/// A line of it.
pub struct Row<'a> {
    name: &'a str,
    line: usize,
    cells: Vec<&'a str>,
}

impl<'a> Table<'a> {
    /// Finds the wanted columns in the first line; others are skipped.
    ///
    /// # Errors
    /// One of them is missing.
    pub fn new(name: &'a str, text: &'a str, wanted: &[&str]) -> Result<Self> {
        let mut lines = text.lines().enumerate();
        let head: Vec<&str> = lines
            .next()
            .map_or("", |(_, l)| l.trim_start_matches('\u{feff}'))
            .split(',')
            .map(str::trim)
            .collect();
        let find = |column: &&str| {
            head.iter()
                .position(|c| c == column)
                .ok_or_else(|| Error::Table {
                    table: name.to_owned(),
                    line: 1,
                    problem: format!("column {column} is missing; needed are {wanted:?}"),
                })
        };
        let columns = wanted.iter().map(find).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            name,
            columns,
            lines,
        })
    }
}

impl<'a> Iterator for Table<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let (at, text) = self.lines.find(|(_, l)| !l.trim().is_empty())?;
        let all: Vec<&str> = text.split(',').map(str::trim).collect();
        let cells = self
            .columns
            .iter()
            .map(|c| all.get(*c).copied().unwrap_or(""));
        Some(Row {
            name: self.name,
            line: at + 1,
            cells: cells.collect(),
        })
    }
}

impl<'a> Row<'a> {
    /// The text of the wanted column with this index.
    pub fn text(&self, column: usize) -> &'a str {
        self.cells[column]
    }

    /// The number in it.
    ///
    /// # Errors
    /// It is no finite number of at least 0.
    pub fn number(&self, column: usize) -> Result<f64> {
        let text = self.cells[column];
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() && n >= 0.0 => Ok(n),
            _ => Err(self.wrong(&format!("\"{text}\" is no number of at least 0"))),
        }
    }

    /// A complaint about this line.
    pub fn wrong(&self, problem: &str) -> Error {
        Error::Table {
            table: self.name.to_owned(),
            line: self.line,
            problem: problem.to_owned(),
        }
    }
}
