//! Times as EC2 writes them: RFC 3339, such as `2026-11-23T01:54:08Z`.
//!
//! Pure: no clock, no I/O, no async.

/// Milliseconds since the epoch; `None` when the text is no such time. A year before 1970 or after
/// 9999, a 31st of February or an hour 25 is none.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let fixed = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if !text.is_ascii() || bytes.len() < 20 || fixed.iter().any(|(i, c)| bytes[*i] != *c) {
        return None;
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let number = |from: usize, to: usize| digits(&text[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fits = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !fits {
        return None;
    }
    let (millis, zone) = fraction(&text[19..])?;
    let seconds = ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    u64::try_from((seconds - zone_seconds(zone)?) * 1_000 + millis).ok()
}

fn digits(text: &str) -> Option<i64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Milliseconds behind the seconds, and the text of the zone.
fn fraction(rest: &str) -> Option<(i64, &str)> {
    let Some(rest) = rest.strip_prefix('.') else {
        return Some((0, rest));
    };
    let end = rest.bytes().take_while(u8::is_ascii_digit).count();
    let padded = format!("{:0<3}", &rest[..end.min(3)]);
    (end > 0).then(|| Some((digits(&padded)?, &rest[end..])))?
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes() {
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(&zone[1..3])?, digits(&zone[4..6])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let years = (year - 1970) * 365 + (before / 4 - before / 100 + before / 400)
        - (1969 / 4 - 1969 / 100 + 1969 / 400);
    years + (1..month).map(|m| days_of(year, m)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_others_know() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("2017-09-18T08:22:00Z", 1_505_722_920_000),
            ("2026-11-23T01:54:08Z", 1_795_398_848_000),
            ("2026-11-23T01:54:08.25Z", 1_795_398_848_250),
            ("2026-11-23T03:54:08+02:00", 1_795_398_848_000),
            (" 2026-11-22T20:54:08-05:00\n", 1_795_398_848_000),
        ] {
            assert_eq!(parse_rfc3339(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T01:54:08",
            "2026-02-29T01:54:08Z",
            "2026-13-01T01:54:08Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T01:54:08.Z",
            "2026-11-23T01:54:08+0200",
            "2026-11-23T01:54:08+25:00",
            "1969-12-31T23:59:59Z",
            "+026-11-23T01:54:08Z",
            "2026-11-23T01:54:08é",
            "２026-11-23T01:54:08Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
