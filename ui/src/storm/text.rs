//! Storm's ways of writing: durations, numbers as text, windows, encoded names, log links.
//! Pure: no clock, no I/O, no async.

use serde_json::{Value, json};

/// The windows of Storm's answers: seconds as the wire has them (0: all time), and Storm's name.
pub const WINDOWS: [(u32, &str); 4] = [
    (10_800, "10800"),
    (600, "600"),
    (86_400, "86400"),
    (0, ":all-time"),
];

/// What a request asks for by `window`: the name, and seconds where it is one of [`WINDOWS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// As it was asked for.
    pub name: String,
    /// `None`: a length that nothing is kept for.
    pub secs: Option<u32>,
    /// `All time`, or the length in words.
    pub hint: String,
}

impl Window {
    /// Reads `window=`; without one it is all time.
    ///
    /// # Errors
    /// It is neither a whole number of seconds nor `:all-time`.
    pub fn read(asked: Option<&str>) -> Result<Self, String> {
        let name = asked.unwrap_or(":all-time").to_owned();
        if name == ":all-time" {
            let hint = "All time".to_owned();
            return Ok(Self {
                name,
                secs: Some(0),
                hint,
            });
        }
        let length: i32 = name.parse().map_err(|_| {
            format!("java.lang.NumberFormatException: For input string: \"{name}\" (window is 600, 10800, 86400 or :all-time)")
        })?;
        let secs = WINDOWS
            .iter()
            .find(|w| w.1 == name && w.0 != 0)
            .map(|w| w.0);
        let hint = uptime(u64::try_from(length).unwrap_or(0));
        Ok(Self { name, secs, hint })
    }
}

/// The words of a window of [`WINDOWS`].
pub fn window_pretty(secs: u32) -> String {
    if secs == 0 {
        "All time".to_owned()
    } else {
        uptime(secs.into())
    }
}

/// `1d 2h 3m 4s` from the largest unit that is not zero; nothing for zero, as Storm's prettyUptimeSec.
pub fn uptime(secs: u64) -> String {
    let parts = [
        (secs / 86_400, "d"),
        (secs / 3_600 % 24, "h"),
        (secs / 60 % 60, "m"),
        (secs % 60, "s"),
    ];
    let shown = parts.iter().skip_while(|p| p.0 == 0);
    let words: Vec<_> = shown.map(|(n, unit)| format!("{n}{unit}")).collect();
    words.join(" ")
}

/// A number as Storm's floatStr: text with three decimals.
pub fn float(x: f64) -> Value {
    json!(format!("{:.3}", if x.is_finite() { x } else { 0.0 }))
}

/// Percent-encoded as Java's URLEncoder does it (a space becomes `+`).
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                out.push(byte.into());
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// A stream's name as Storm's sanitizeStreamName makes it fit for an element's id.
pub fn sanitised(stream: &str) -> String {
    let fits = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '.');
    let body: String = stream
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    let starts_well = body.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts_well {
        body
    } else {
        format!("_s{body}")
    }
}

/// Whether `sys` asks for system streams: Storm takes only `true`, its documentation says 1.
pub fn sys(asked: Option<&str>) -> bool {
    asked.is_some_and(|s| s.eq_ignore_ascii_case("true") || s == "1")
}

/// Whether a stream or component is the system's own.
pub fn is_system(name: &str) -> bool {
    name.starts_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_storm_writes_them() {
        // Pairs seen in the recordings of a real Storm.
        for (secs, text) in [
            (0, ""),
            (607, "10m 7s"),
            (660, "11m 0s"),
            (10_800, "3h 0m 0s"),
            (86_400, "1d 0h 0m 0s"),
        ] {
            assert_eq!(uptime(secs), text);
        }
    }

    #[test]
    fn windows_are_read() {
        let all = Window::read(None).expect("the default");
        assert_eq!((all.secs, all.hint.as_str()), (Some(0), "All time"));
        let ten = Window::read(Some("600")).expect("one of Storm's");
        assert_eq!((ten.secs, ten.hint.as_str()), (Some(600), "10m 0s"));
        assert_eq!(Window::read(Some("601")).expect("a number").secs, None);
        let refused = Window::read(Some("bogus")).expect_err("no number");
        assert!(refused.contains("For input string: \"bogus\""), "{refused}");
    }

    #[test]
    fn names_are_encoded_and_sanitised() {
        assert_eq!(encoded("[16-16]"), "%5B16-16%5D");
        assert_eq!(sanitised("__ack_ack"), "_s__ack_ack");
        assert_eq!(sanitised("default"), "default");
        assert_eq!(sanitised("a b2"), "a_b_");
    }

    #[test]
    fn numbers_have_three_decimals() {
        assert_eq!(float(24.1284), "24.128");
        assert_eq!(float(f64::NAN), "0.000");
    }
}
