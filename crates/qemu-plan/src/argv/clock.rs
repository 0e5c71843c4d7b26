//! The guest's clock: `-rtc` and the timers that are devices of the board.

use super::machine::timer;
use super::{Builder, ability, on_off};
use crate::complete::{arch, unsupported};
use base::Result;
use std::fmt::Write;
use xml::Tree;

/// Days from 1970-01-01 to a date, and back: the calendar without leap seconds.
fn date(days: i64) -> (i64, u32, u32) {
    // The year begins in March, so that the day that leaps is its last; an era has 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

/// Seconds since 1970 as a date and a time.
fn moment(seconds: i64) -> String {
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

fn base(b: &Builder<'_>, clock: &Tree) -> Result<String> {
    let seconds = |name: &str| clock.attr(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    Ok(match clock.attr("offset").unwrap_or("utc") {
        "utc" => "utc".to_owned(),
        "localtime" | "timezone" => "localtime".to_owned(),
        "variable" => {
            let local = if clock.is("basis", "localtime") { b.start.local_offset } else { 0 };
            moment(b.start.host.now.saturating_add(seconds("adjustment")).saturating_add(local))
        }
        "absolute" => moment(seconds("start")),
        other => return Err(unsupported(format!("unsupported clock offset '{other}'"))),
    })
}

fn absent(timer: &Tree) -> bool {
    on_off(timer.attr("present")) == Some(false)
}

pub(super) fn clock(b: &mut Builder<'_>) -> Result<()> {
    let domain = b.domain;
    let Some(clock) = domain.tree.child("clock") else { return Ok(()) };
    if clock.is("offset", "timezone")
        && let Some(zone) = clock.attr("timezone")
    {
        b.set_env("TZ", zone);
    }
    let mut value = format!("base={}", base(b, clock)?);
    if let Some(rtc) = timer(&domain.tree, "rtc") {
        let track = match rtc.attr("track") {
            Some("guest") => ",clock=vm",
            Some("wall") => ",clock=host",
            Some("realtime") => ",clock=rt",
            _ => "",
        };
        value.push_str(track);
        if rtc.is("tickpolicy", "catchup") {
            value.push_str(",driftfix=slew");
        }
    }
    b.option("-rtc", value);
    let x86 = matches!(arch(domain), "x86_64" | "i686");
    for timer in clock.all("timer") {
        match (timer.attr("name"), timer.attr("tickpolicy")) {
            (Some("pit"), Some(policy @ ("delay" | "discard"))) if x86 => {
                b.option("-global", format!("kvm-pit.lost_tick_policy={policy}"));
            }
            (Some("hpet"), _) if x86 && absent(timer) && !ability::machine_hpet(b.caps) => b.flag("-no-hpet"),
            _ => {}
        }
    }
    Ok(())
}

/// The processor's counter: its rate, when the definition names one.
pub(super) fn counter_rate(tree: &Tree, text: &mut String) {
    if let Some(rate) = timer(tree, "tsc").and_then(|tsc| tsc.attr("frequency")) {
        let _ = write!(text, ",tsc-frequency={rate}");
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_709_251_200, "2024-03-01T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(moment(seconds), text);
        }
    }
}
