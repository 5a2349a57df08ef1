//! Data that the planner reads, from plain or gzip files that the caller names; the product ships none.

use std::io::Read;
use std::path::{Path, PathBuf};

use fulmar_spot_plan::bands::{self, Bands};
use fulmar_spot_plan::market::{self, Market};
use fulmar_spot_plan::trace::{self, Track};

use super::refused;
use crate::failure::Failure;

/// Largest text that is read: ten years of daily prices of 2,000 types in 10 regions stay below it.
const MOST_BYTES: u64 = 1 << 30;

/// The text of a file; one that ends with `.gz` is unpacked.
///
/// # Errors
/// It cannot be read, is no UTF-8, or is larger than 1 GiB.
pub fn text(path: &Path) -> Result<String, Failure> {
    let say = |why: String| Failure::Usage(format!("{}: {why}", path.display()));
    let file =
        std::fs::File::open(path).map_err(|e| say(format!("{e}; name a file that can be read")))?;
    let mut text = String::new();
    let read = if path.extension().is_some_and(|e| e == "gz") {
        flate2::read::GzDecoder::new(file)
            .take(MOST_BYTES)
            .read_to_string(&mut text)
    } else {
        file.take(MOST_BYTES).read_to_string(&mut text)
    };
    match read {
        Ok(n) if n as u64 >= MOST_BYTES => Err(say(format!(
            "is {MOST_BYTES} bytes or more once unpacked; cut it to the regions and dates in question"
        ))),
        Ok(_) => Ok(text),
        Err(e) => Err(say(format!(
            "{e}; a UTF-8 text, perhaps packed as .gz, is expected"
        ))),
    }
}

/// A recording of losses. Its length stands in the `index.csv` beside it, if there is one.
///
/// # Errors
/// As [`text`], or a row cannot be read.
pub fn tracks(path: &Path) -> Result<Vec<Track>, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let index = path.with_file_name("index.csv");
    let entries = match index.exists() {
        true => trace::index("index.csv", &text(&index)?).map_err(refused)?,
        false => Vec::new(),
    };
    let length = entries
        .iter()
        .find(|e| *e.file == *name)
        .map(|e| e.length_s);
    trace::parse(&path.display().to_string(), &text(path)?, length).map_err(refused)
}

/// A file named in another: as it stands, else beside that one.
pub fn beside(named: &str, in_file: &Path) -> PathBuf {
    let here = PathBuf::from(named);
    match in_file.parent() {
        Some(folder) if !here.exists() => folder.join(named),
        _ => here,
    }
}

/// Prices, bands and types, none of which the product ships.
#[derive(clap::Args)]
pub struct Data {
    /// Spot prices: date,region,instance_type,spot_usd_per_hour, a row a day.
    #[arg(long, value_name = "FILE")]
    prices: PathBuf,
    /// Instance types: region,instance_type,vcpu,memory_mib,arch,on_demand_usd_per_hour.
    #[arg(long, value_name = "FILE")]
    types: PathBuf,
    /// Interruption bands: region,os,instance_type,band; without them every type counts as the worst band.
    #[arg(long, value_name = "FILE")]
    advisor: Option<PathBuf>,
}

impl Data {
    /// These files.
    #[cfg(feature = "ec2")]
    pub fn of(prices: PathBuf, types: PathBuf, advisor: Option<PathBuf>) -> Self {
        Self {
            prices,
            types,
            advisor,
        }
    }

    /// Every region's offers.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn markets(&self) -> Result<Vec<Market>, Failure> {
        let name = |p: &Path| p.display().to_string();
        let types = market::types(&name(&self.types), &text(&self.types)?).map_err(refused)?;
        let bands = match &self.advisor {
            Some(file) => bands::parse(&name(file), &text(file)?).map_err(refused)?,
            None => Bands::new(),
        };
        market::markets(&name(&self.prices), &text(&self.prices)?, &types, &bands).map_err(refused)
    }
}
