//! Dates, times, durations and intervals as ISO 8601 text; instants as RFC 3339 in UTC.

use std::fmt::Write;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTemporalType, DataType, Date32Type, Date64Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::temporal_conversions::{as_date, as_datetime, as_time};

use crate::output::cell::{Reader, Shape, some};

/// The reader of a temporal column.
pub(super) fn reader(array: &ArrayRef) -> Reader {
    match array.data_type() {
        DataType::Timestamp(unit, zone) => {
            // A timestamp with a zone is an instant and is given in UTC; one without is a wall clock whose place is
            // not known, so that a `Z` would say too much.
            let zone = if zone.is_some() { "Z" } else { "" };
            match unit {
                TimeUnit::Second => instant::<TimestampSecondType>(array, "seconds", zone),
                TimeUnit::Millisecond => instant::<TimestampMillisecondType>(array, "milliseconds", zone),
                TimeUnit::Microsecond => instant::<TimestampMicrosecondType>(array, "microseconds", zone),
                TimeUnit::Nanosecond => instant::<TimestampNanosecondType>(array, "nanoseconds", zone),
            }
        }
        DataType::Date32 => date::<Date32Type>(array, "days"),
        DataType::Date64 => date::<Date64Type>(array, "milliseconds"),
        DataType::Time32(TimeUnit::Second) => time::<Time32SecondType>(array, "seconds"),
        DataType::Time32(_) => time::<Time32MillisecondType>(array, "milliseconds"),
        DataType::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(array, "microseconds"),
        DataType::Time64(_) => time::<Time64NanosecondType>(array, "nanoseconds"),
        DataType::Duration(TimeUnit::Second) => duration::<DurationSecondType>(array, 1_000_000_000),
        DataType::Duration(TimeUnit::Millisecond) => duration::<DurationMillisecondType>(array, 1_000_000),
        DataType::Duration(TimeUnit::Microsecond) => duration::<DurationMicrosecondType>(array, 1_000),
        DataType::Duration(TimeUnit::Nanosecond) => duration::<DurationNanosecondType>(array, 1),
        DataType::Interval(IntervalUnit::YearMonth) => {
            let array = array.as_primitive::<IntervalYearMonthType>().clone();
            some(array.clone(), move |row, out| interval(array.value(row), 0, 0, out))
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            let array = array.as_primitive::<IntervalDayTimeType>().clone();
            some(array.clone(), move |row, out| {
                let value = array.value(row);
                interval(0, value.days, i128::from(value.milliseconds) * 1_000_000, out)
            })
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let array = array.as_primitive::<IntervalMonthDayNanoType>().clone();
            some(array.clone(), move |row, out| {
                let value = array.value(row);
                interval(value.months, value.days, i128::from(value.nanoseconds), out)
            })
        }
        _ => Box::new(|_, _| Shape::Null),
    }
}

fn instant<T>(array: &ArrayRef, unit: &'static str, zone: &'static str) -> Reader
where
    T: ArrowPrimitiveType<Native = i64> + ArrowTemporalType,
{
    let array: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    some(array.clone(), move |row, out| {
        let value = array.value(row);
        let _infallible = match as_datetime::<T>(value) {
            Some(when) => write!(out, "{}{zone}", when.format("%Y-%m-%dT%H:%M:%S%.f")),
            None => beyond(value, unit, out),
        };
        Shape::Text
    })
}

fn date<T>(array: &ArrayRef, unit: &'static str) -> Reader
where
    T: ArrowPrimitiveType + ArrowTemporalType,
    i64: From<T::Native>,
{
    let array: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    some(array.clone(), move |row, out| {
        let value = i64::from(array.value(row));
        let _infallible = match as_date::<T>(value) {
            Some(day) => write!(out, "{day}"),
            None => beyond(value, unit, out),
        };
        Shape::Text
    })
}

fn time<T>(array: &ArrayRef, unit: &'static str) -> Reader
where
    T: ArrowPrimitiveType + ArrowTemporalType,
    i64: From<T::Native>,
{
    let array: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    some(array.clone(), move |row, out| {
        let value = i64::from(array.value(row));
        let _infallible = match as_time::<T>(value) {
            Some(time) => write!(out, "{}", time.format("%H:%M:%S%.f")),
            None => write!(out, "{value} {unit} after midnight"),
        };
        Shape::Text
    })
}

/// What no calendar date can say is given as what is stored.
fn beyond(value: i64, unit: &str, out: &mut String) -> std::fmt::Result {
    write!(out, "{value} {unit} since 1970-01-01")
}

fn duration<T>(array: &ArrayRef, nanoseconds: i128) -> Reader
where
    T: ArrowPrimitiveType<Native = i64>,
{
    let array: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    some(array.clone(), move |row, out| interval(0, 0, i128::from(array.value(row)) * nanoseconds, out))
}

/// ISO 8601 with a sign per part where it is negative, as `PostgreSQL`'s `iso_8601` interval style writes it.
fn interval(months: i32, days: i32, nanoseconds: i128, out: &mut String) -> Shape {
    out.push('P');
    for (amount, letter) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if amount != 0 {
            let _infallible = write!(out, "{amount}{letter}");
        }
    }
    if nanoseconds != 0 || (months == 0 && days == 0) {
        let sign = if nanoseconds < 0 { "-" } else { "" };
        let (seconds, rest) = (nanoseconds.unsigned_abs() / 1_000_000_000, nanoseconds.unsigned_abs() % 1_000_000_000);
        let _infallible = write!(out, "T{sign}{seconds}");
        if rest != 0 {
            let _infallible = write!(out, ".{}", format!("{rest:09}").trim_end_matches('0'));
        }
        out.push('S');
    }
    Shape::Text
}
