//! Time stamps: epoch seconds, or ISO 8601 in UTC. Pure: no clock, no I/O, no async.

/// Seconds since the epoch.
pub fn seconds(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number.floor() as i64);
    }
    let mut parts = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|p| !p.is_empty());
    let mut next = || parts.next().and_then(|p| p.parse::<i64>().ok());
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (
        next().unwrap_or(0),
        next().unwrap_or(0),
        next().unwrap_or(0),
    );
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 24
        || minute > 59
        || second > 60
    {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days from the epoch to a date of the Gregorian calendar, whose years are counted from March here.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nonsense_is_not() {
        assert_eq!(seconds("1566397740"), Some(1_566_397_740));
        assert_eq!(seconds("1566397740.5"), Some(1_566_397_740));
        assert_eq!(seconds("1970-01-01"), Some(0));
        assert_eq!(seconds("2019-08-21 14:29:00"), Some(1_566_397_740));
        assert_eq!(seconds("2019-08-21T14:29:00.000Z"), Some(1_566_397_740));
        assert_eq!(seconds("2000-02-29T00:00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2019-13-01"), None);
        assert_eq!(seconds("yesterday"), None);
    }
}
