//! Files: CSV, packed or not, below a folder.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::failure::Failure;

/// A reader of a CSV file with a heading.
pub type Rows = csv::Reader<Box<dyn Read>>;

/// Opens a file, unpacked where its name ends in `.gz`.
pub fn open(path: &Path) -> Result<Rows, Failure> {
    let file = File::open(path).map_err(|e| Failure::File(path.to_owned(), e))?;
    let packed = path.extension().is_some_and(|e| e == "gz");
    let read: Box<dyn Read> = if packed {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    };
    Ok(csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(read))
}

/// A file's content that is not as it should be.
pub fn wrong(path: &Path) -> impl Fn(String) -> Failure {
    move |what| Failure::Form(path.to_owned(), what)
}

/// The path without `.csv` or `.csv.gz`; none where it ends otherwise.
pub fn stem(path: &Path) -> Option<PathBuf> {
    let name = path.to_str()?;
    let stem = name
        .strip_suffix(".csv.gz")
        .or_else(|| name.strip_suffix(".csv"))?;
    Some(PathBuf::from(stem))
}

/// All CSV files below a folder, sorted.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |e| Failure::File(folder.to_owned(), e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(below(&path)?);
        } else if stem(&path).is_some() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
