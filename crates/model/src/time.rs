//! Times as 64-bit ticks of 100 ns, with their text form in both directions.
//!
//! Ticks count from 1970-01-01T00:00; the range is that of `i64` (years −27258 to 31197), which holds every
//! `datetime2(7)`. Text is ISO 8601 with a space or `T`, years of more than four digits with a sign, and as many
//! digits of the fraction as the value needs. Nothing is rounded: text finer than a tick is refused.

use chrono::{Datelike, NaiveDate};

/// Ticks of 100 ns since 1970-01-01T00:00Z.
pub type Ticks = i64;

/// Ticks in a second.
pub const TICKS_A_SECOND: i64 = 10_000_000;
/// Ticks in a millisecond.
pub const TICKS_A_MILLISECOND: i64 = 10_000;
/// Ticks in a day.
pub const TICKS_A_DAY: i64 = 86_400 * TICKS_A_SECOND;

const EPOCH_DAYS: i32 = 719_163;

/// Days since 1970-01-01 as `2026-11-23`; outside chrono's calendar (years ±262,000) as a bare number of days.
pub fn format_date(days: i32) -> String {
    match days.checked_add(EPOCH_DAYS).and_then(NaiveDate::from_num_days_from_ce_opt) {
        Some(date) if (0..=9999).contains(&date.year()) => {
            format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
        }
        Some(date) => format!("{:+05}-{:02}-{:02}", date.year(), date.month(), date.day()),
        None => format!("{days}d"),
    }
}

/// Reads what [`format_date`] writes.
pub fn parse_date(text: &str) -> Option<i32> {
    if let Some(days) = text.strip_suffix('d') {
        return days.parse().ok();
    }
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut parts = digits.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    if digits.len() == text.len() && year.len() != 4 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(sign * number(year)? as i32, number(month)?, number(day)?)?;
    Some(date.num_days_from_ce() - EPOCH_DAYS)
}

fn number(digits: &str) -> Option<u32> {
    (!digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// Ticks since midnight as `13:45:00` or `13:45:00.1234567`.
pub fn format_time(ticks: i64) -> String {
    let (seconds, fraction) = (ticks.div_euclid(TICKS_A_SECOND), ticks.rem_euclid(TICKS_A_SECOND));
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        whole
    } else {
        let digits = format!("{fraction:07}");
        format!("{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Reads `13:45`, `13:45:00` or `13:45:00.1234567`; digits beyond the seventh must be zeros.
pub fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(c, f)| (c, Some(f)));
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|part| part.len() != 2) {
        return None;
    }
    let (hours, minutes) = (number(parts[0])?, number(parts[1])?);
    let seconds = parts.get(2).map_or(Some(0), |part| number(part))?;
    if hours > 23 || minutes > 59 || seconds > 59 || (fraction.is_some() && parts.len() == 2) {
        return None;
    }
    let ticks = i64::from(hours * 3600 + minutes * 60 + seconds) * TICKS_A_SECOND;
    Some(ticks + fraction.map_or(Some(0), parse_fraction)?)
}

fn parse_fraction(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (kept, rest) = digits.split_at(digits.len().min(7));
    if rest.bytes().any(|b| b != b'0') {
        return None;
    }
    Some(kept.parse::<i64>().ok()? * 10_i64.pow(7 - kept.len() as u32))
}

/// Ticks as `2026-11-23 13:45:00.1234567`.
pub fn format_timestamp(ticks: i64) -> String {
    let (days, rest) = (ticks.div_euclid(TICKS_A_DAY), ticks.rem_euclid(TICKS_A_DAY));
    // i64 ticks span less than 11 million days each way, which i32 and chrono both hold.
    let days = i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX });
    format!("{} {}", format_date(days), format_time(rest))
}

/// Reads a date, or a date and a time with `T` or a space between them. A zone is refused.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], parse_time(&text[at + 1..])?),
        None => (text, 0),
    };
    // The first day that ticks reach begins before them.
    let ticks = i128::from(parse_date(date)?) * i128::from(TICKS_A_DAY) + i128::from(time);
    i64::try_from(ticks).ok()
}

/// A timestamp with its offset as `2026-11-23 13:45:00+01:00`; the clock shown is the local one.
pub fn format_timestamp_offset(ticks: i64, offset_minutes: i16) -> String {
    let shift = i64::from(offset_minutes) * 60 * TICKS_A_SECOND;
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let minutes = offset_minutes.unsigned_abs();
    // Within 14 hours of i64's ends there is no local time to show: UTC is, with the offset kept.
    match ticks.checked_add(shift) {
        Some(local) => format!("{}{sign}{:02}:{:02}", format_timestamp(local), minutes / 60, minutes % 60),
        None => format!("{}Z{sign}{:02}:{:02}", format_timestamp(ticks), minutes / 60, minutes % 60),
    }
}

/// Reads what [`format_timestamp_offset`] writes, and `Z` for UTC: (ticks UTC, offset in minutes).
pub fn parse_timestamp_offset(text: &str) -> Option<(i64, i16)> {
    if let Some(utc) = text.strip_suffix('Z') {
        return Some((parse_timestamp(utc)?, 0));
    }
    let at = text.rfind(['+', '-']).filter(|at| *at > 10)?;
    let (clock, offset) = text.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if minutes > 59 || hours * 60 + minutes > 14 * 60 {
        return None;
    }
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = sign * (hours * 60 + minutes) as i16;
    if let Some(utc) = clock.strip_suffix('Z') {
        return Some((parse_timestamp(utc)?, offset));
    }
    let shift = i64::from(offset) * 60 * TICKS_A_SECOND;
    Some((parse_timestamp(clock)?.checked_sub(shift)?, offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants() {
        assert_eq!(format_timestamp(0), "1970-01-01 00:00:00");
        assert_eq!(parse_timestamp("0001-01-01"), Some(-621_355_968_000_000_000));
        assert_eq!(parse_timestamp("9999-12-31T23:59:59.9999999"), Some(2_534_023_007_999_999_999));
        assert_eq!(format_timestamp(2_534_023_007_999_999_999), "9999-12-31 23:59:59.9999999");
        assert_eq!(parse_date("2000-02-29"), Some(11_016));
        assert_eq!(parse_timestamp_offset("1970-01-01 01:00:00+01:00"), Some((0, 60)));
        assert_eq!(parse_timestamp_offset("1970-01-01T00:00:00Z"), Some((0, 0)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "x",
            "2001-02-29",
            "2001-2-1",
            "2001-01-01 24:00",
            "2001-01-01 1:00",
            "12001-01-01",
            "--1",
            "2001-01-01 10:00:00.12345678",
            "2001-01-01 10:00:00Z",
            "2001-01-01 10:00:60",
            "2001-01-01 ",
            "é-01-01",
        ] {
            assert_eq!(parse_timestamp(bad), None, "{bad}");
        }
        for bad in ["2001-01-01 10:00:00", "2001-01-01 10:00+15:00", "2001-01-01", "2001-01-01 10:00+1:00"] {
            assert_eq!(parse_timestamp_offset(bad), None, "{bad}");
        }
    }

    /// The first day and the last one are not whole.
    #[test]
    fn the_first_and_the_last_tick_read_back() {
        for ticks in [i64::MIN, i64::MIN + 1, i64::MIN + TICKS_A_DAY, i64::MAX - 1, i64::MAX] {
            let text = format_timestamp(ticks);
            assert_eq!(parse_timestamp(&text), Some(ticks), "{text}");
            for offset in [-840, -1, 0, 1, 840] {
                let text = format_timestamp_offset(ticks, offset);
                assert_eq!(parse_timestamp_offset(&text), Some((ticks, offset)), "{text}");
            }
        }
        let first = format_timestamp(i64::MIN);
        let midnight = first.split_once(' ').map(|(day, _)| parse_timestamp(day));
        assert_eq!(midnight, Some(None), "midnight of the first day is before all ticks");
    }

    proptest! {
        #[test]
        fn timestamps_read_back(ticks: i64) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(ticks)), Some(ticks));
        }

        #[test]
        fn offsets_read_back(ticks: i64, offset in -840..=840i16) {
            prop_assert_eq!(parse_timestamp_offset(&format_timestamp_offset(ticks, offset)), Some((ticks, offset)));
        }

        #[test]
        fn dates_read_back(days: i32) {
            prop_assert_eq!(parse_date(&format_date(days)), Some(days));
        }

        #[test]
        fn foreign_text_does_not_panic(text in "\\PC{0,30}") {
            let _ = (parse_timestamp(&text), parse_timestamp_offset(&text), parse_date(&text));
        }
    }
}
