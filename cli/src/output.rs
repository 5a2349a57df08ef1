//! Answers as a table for people, or as JSON for programs.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::args::Output;

/// Prints rows: as a table with these columns, or as the JSON document.
pub fn print(output: Output, columns: &[&str], rows: Vec<Vec<String>>, json: &Value) {
    match output {
        Output::Json => println!("{json:#}"),
        Output::Table if rows.is_empty() => println!("(none)"),
        Output::Table => {
            let mut table = Table::new();
            table
                .load_preset(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(columns.iter().map(|c| c.to_uppercase()));
            rows.into_iter().for_each(|row| {
                table.add_row(row);
            });
            println!("{table}");
        }
    }
}

/// Prints one sentence, or its JSON.
pub fn say(output: Output, text: &str, json: &Value) {
    match output {
        Output::Json => println!("{json:#}"),
        Output::Table => println!("{text}"),
    }
}

/// `1d 2h`, `3h 4m`, `5m 6s` or `7s`.
pub fn uptime(secs: u64) -> String {
    let (d, h, m, s) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m {s}s"),
        (0, ..) => format!("{h}h {m}m"),
        _ => format!("{d}d {h}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_their_two_largest_units() {
        assert_eq!(
            [5, 65, 3_700, 90_000].map(uptime),
            ["5s", "1m 5s", "1h 1m", "1d 1h"]
        );
    }
}
