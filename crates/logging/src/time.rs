//! The time of a line, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2009-02-13 23:31:30.000+0000`.
pub(crate) fn stamp() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format(now.as_secs(), now.subsec_millis())
}

/// Days to a civil date by counting 400-year eras from 1 March of year 0.
fn format(seconds: u64, millis: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}+0000")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        assert_eq!(super::format(1_234_567_890, 7), "2009-02-13 23:31:30.007+0000");
        assert_eq!(super::format(0, 0), "1970-01-01 00:00:00.000+0000");
        assert_eq!(super::format(951_782_400, 0), "2000-02-29 00:00:00.000+0000");
    }
}
