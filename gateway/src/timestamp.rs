//! UTC timestamps of FIX (`YYYYMMDD-HH:MM:SS[.sss]`) to and from nanoseconds since 1970.
//!
//! Days are turned into dates and back by Howard Hinnant's `civil_from_days` and `days_from_civil`
//! ("chrono-Compatible Low-Level Date Algorithms", 2013), for years 1970 to 9999.

const SECONDS_A_DAY: u64 = 86_400;
const NS_A_SECOND: u64 = 1_000_000_000;
/// From 0000-03-01, where an era starts, to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
const DAYS_AN_ERA: u64 = 146_097;

/// The length of a timestamp with milliseconds.
pub const MILLIS_BYTES: usize = 21;

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: u64,
    month: u64,
    day: u64,
}

/// Writes a time as `YYYYMMDD-HH:MM:SS.sss`, what is below a millisecond cut off.
#[inline]
pub fn format_millis(time_ns: u64) -> [u8; MILLIS_BYTES] {
    let (seconds, millis) = (time_ns / NS_A_SECOND, time_ns % NS_A_SECOND / 1_000_000);
    let date = civil_from_days(seconds / SECONDS_A_DAY);
    let second_of_day = seconds % SECONDS_A_DAY;
    let mut text = *b"00000000-00:00:00.000";
    put_pair(&mut text, 0, date.year / 100);
    put_pair(&mut text, 2, date.year % 100);
    put_pair(&mut text, 4, date.month);
    put_pair(&mut text, 6, date.day);
    put_pair(&mut text, 9, second_of_day / 3600);
    put_pair(&mut text, 12, second_of_day / 60 % 60);
    put_pair(&mut text, 15, second_of_day % 60);
    text[18] = digit(millis / 100);
    put_pair(&mut text, 19, millis % 100);
    text
}

/// Writes the day of a time as `YYYYMMDD`.
pub fn format_date(time_ns: u64) -> [u8; 8] {
    let text = format_millis(time_ns);
    std::array::from_fn(|place| text[place])
}

/// Reads `YYYYMMDD-HH:MM:SS`, with or without a fraction of 1 to 9 digits. A leap second counts as the second after.
#[inline]
pub fn parse(text: &[u8]) -> Option<u64> {
    if text.get(8) != Some(&b'-') {
        return None;
    }
    let days = parse_date(&text[..8])?;
    let of_day = parse_time_of_day(&text[9..])?;
    days.checked_mul(SECONDS_A_DAY * NS_A_SECOND)?.checked_add(of_day)
}

/// Reads `YYYYMMDD` as days since 1970.
#[inline]
pub fn parse_date(text: &[u8]) -> Option<u64> {
    if text.len() != 8 {
        return None;
    }
    let year = pair(text, 0)? * 100 + pair(text, 2)?;
    let date = Date { year, month: pair(text, 4)?, day: pair(text, 6)? };
    let sound = (1970..=9999).contains(&date.year)
        && (1..=12).contains(&date.month)
        && (1..=days_in_month(date.year, date.month)).contains(&date.day);
    sound.then(|| days_from_civil(date))
}

/// Reads `HH:MM:SS`, with or without a fraction of 1 to 9 digits, as nanoseconds of the day.
#[inline]
pub fn parse_time_of_day(text: &[u8]) -> Option<u64> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    let (hours, minutes, seconds) = (pair(text, 0)?, pair(text, 3)?, pair(text, 6)?);
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let whole = hours * 3600 + minutes * 60 + seconds;
    Some(whole * NS_A_SECOND + fraction_ns(&text[8..])?)
}

/// Reads nothing, or a point and 1 to 9 digits.
#[inline]
fn fraction_ns(text: &[u8]) -> Option<u64> {
    let Some((point, digits)) = text.split_first() else { return Some(0) };
    if *point != b'.' || digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let mut sum = 0;
    for byte in digits {
        sum = sum * 10 + value(*byte)?;
    }
    for _ in digits.len()..9 {
        sum *= 10;
    }
    Some(sum)
}

#[inline]
fn pair(text: &[u8], at: usize) -> Option<u64> {
    Some(value(text[at])? * 10 + value(text[at + 1])?)
}

#[inline]
fn value(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[inline]
fn put_pair(text: &mut [u8; MILLIS_BYTES], at: usize, number: u64) {
    text[at] = digit(number / 10);
    text[at + 1] = digit(number % 10);
}

#[inline]
fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or(0)
}

fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Hinnant's `civil_from_days`, for days from 1970 on.
#[inline]
fn civil_from_days(days: u64) -> Date {
    let shifted = days + DAYS_TO_1970;
    let era = shifted / DAYS_AN_ERA;
    let day_of_era = shifted % DAYS_AN_ERA;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    Date { year, month, day }
}

/// Hinnant's `days_from_civil`, for dates from 1970 on.
#[inline]
fn days_from_civil(date: Date) -> u64 {
    let year = date.year - u64::from(date.month <= 2);
    let era = year / 400;
    let year_of_era = year % 400;
    let month_from_march = if date.month > 2 { date.month - 3 } else { date.month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_AN_ERA + day_of_era - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_read_and_write_alike() {
        for (text, seconds, millis) in [
            ("19700101-00:00:00.000", 0, 0),
            ("20000229-23:59:59.999", 951_868_799, 999),
            ("20260301-00:00:00.001", 1_772_323_200, 1),
            ("21000228-12:00:00.000", 4_107_499_200, 0),
        ] {
            let time_ns = seconds * NS_A_SECOND + millis * 1_000_000;
            assert_eq!(parse(text.as_bytes()), Some(time_ns), "{text}");
            assert_eq!(format_millis(time_ns), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn every_day_to_2200_reads_back() {
        for day in 0..84_000 {
            let text = format_date(day * SECONDS_A_DAY * NS_A_SECOND);
            assert_eq!(parse_date(&text), Some(day));
        }
    }

    #[test]
    fn fractions_of_one_to_nine_digits_are_taken() {
        let whole = parse(b"20260301-00:00:00").unwrap();
        for (fraction, ns) in [
            (".5", 500_000_000),
            (".123", 123_000_000),
            (".123456", 123_456_000),
            (".123456789", 123_456_789),
        ] {
            let text = format!("20260301-00:00:00{fraction}");
            assert_eq!(parse(text.as_bytes()), Some(whole + ns));
        }
    }

    #[test]
    fn malformed_times_are_refused() {
        for text in [
            "",
            "20260301",
            "20260301-00:00",
            "20260301 00:00:00",
            "20260229-00:00:00",
            "20261301-00:00:00",
            "20260300-00:00:00",
            "20260301-24:00:00",
            "20260301-00:60:00",
            "20260301-00:00:61",
            "20260301-00:00:00.",
            "20260301-00:00:00.1234567890",
            "20260301-00:00:00,123",
            "20260301-00:00:00.12a",
            "2026o301-00:00:00",
            "+0260301-00:00:00",
            "19691231-00:00:00",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_last_time_there_is_can_be_written() {
        assert_eq!(&format_millis(u64::MAX), b"25540721-23:34:33.709");
    }
}
