//! Points in time: `date`, `time`, `datetime`, `julianday`, `unixepoch`, `strftime`
//! (<https://sqlite.org/lang_datefunc.html>).
//!
//! All times are UTC. As in `SQLite` a value that is no time is NULL; a modifier or a letter of a format that is unknown,
//! which is a mistake in the statement, is an error here.

mod instant;
mod write;

use std::borrow::Cow;

use arrow::array::ArrayRef;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use super::column::{Column, Value};
use super::scalar::{Arguments, Output, Scalar, floats, integers, texts};
use instant::{Instant, Moment};

/// `'now'`, as the planner writes it before anything runs.
const NOW: &str = "now";

pub(super) fn functions() -> Vec<Scalar> {
    vec![
        Scalar::new(
            "date",
            0..=usize::MAX,
            |_| Output::Text,
            |arguments| written(arguments, "date", |moment| moment.instant.date()),
        )
        .with_rewrite(|args, info| Ok(at_start(args, 0, info))),
        Scalar::new(
            "time",
            0..=usize::MAX,
            |_| Output::Text,
            |arguments| written(arguments, "time", |moment| moment.instant.time(moment.subsecond)),
        )
        .with_rewrite(|args, info| Ok(at_start(args, 0, info))),
        Scalar::new(
            "datetime",
            0..=usize::MAX,
            |_| Output::Text,
            |arguments| {
                written(arguments, "datetime", |moment| {
                    let time = moment.instant.time(moment.subsecond)?;
                    moment.instant.date().map(|date| format!("{date} {time}"))
                })
            },
        )
        .with_rewrite(|args, info| Ok(at_start(args, 0, info))),
        Scalar::new(
            "julianday",
            0..=usize::MAX,
            |_| Output::Float,
            |arguments| {
                let times = Times::of(arguments, 0, "julianday");
                floats(arguments.rows, |row| Ok(times.moment(row)?.map(|moment| moment.instant.julian_day())))
            },
        )
        .with_rewrite(|args, info| Ok(at_start(args, 0, info))),
        Scalar::new(
            "unixepoch",
            0..=usize::MAX,
            |_| Output::Integer,
            |arguments| {
                let times = Times::of(arguments, 0, "unixepoch");
                integers(arguments.rows, |row| match times.moment(row)? {
                    Some(moment) if moment.subsecond => {
                        exec_err!("`unixepoch` gives whole seconds: `strftime('%f', …)` has the fraction")
                    }
                    moment => Ok(moment.map(|moment| moment.instant.unix_seconds())),
                })
            },
        )
        .with_rewrite(|args, info| Ok(at_start(args, 0, info))),
        Scalar::new(
            "strftime",
            1..=usize::MAX,
            |_| Output::Text,
            |arguments| {
                let times = Times::of(arguments, 1, "strftime");
                let format = &arguments.columns[0];
                texts(arguments.rows, |row| {
                    let (Some(format), Some(moment)) = (format.text(row), times.moment(row)?) else { return Ok(None) };
                    write::formatted(&format, moment.instant)
                })
            },
        )
        .with_rewrite(|args, info| Ok(at_start(args, 1, info))),
    ]
}

fn written(arguments: &Arguments, function: &'static str, text: fn(&Moment) -> Option<String>) -> Result<ArrayRef> {
    let times = Times::of(arguments, 0, function);
    texts(arguments.rows, |row| Ok(times.moment(row)?.as_ref().and_then(text)))
}

/// Puts the statement's start in the place of `'now'`, and of a time that is not given.
fn at_start(mut args: Vec<Expr>, time: usize, info: &SimplifyContext) -> ExprSimplifyResult {
    let is_now = |text: &str| text.eq_ignore_ascii_case(NOW);
    let now = match args.get(time) {
        None => true,
        Some(Expr::Literal(
            ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            _,
        )) => is_now(text),
        Some(_) => false,
    };
    let Some(start) = info.query_execution_start_time().filter(|_| now) else {
        return ExprSimplifyResult::Original(args);
    };
    let text = lit(Instant::from_unix_milliseconds(start.timestamp_millis()).iso());
    match args.get_mut(time) {
        Some(arg) => *arg = text,
        None => args.push(text),
    }
    // The call itself stays: it is made again with these arguments.
    ExprSimplifyResult::Original(args)
}

/// A time and its modifiers, per row.
struct Times<'a> {
    time: Option<&'a Column>,
    modifiers: &'a [Column],
    function: &'static str,
}

impl<'a> Times<'a> {
    fn of(arguments: &'a Arguments, at: usize, function: &'static str) -> Self {
        let rest = arguments.columns.get(at..).unwrap_or_default();
        let (time, modifiers) = match rest.split_first() {
            Some((time, modifiers)) => (Some(time), modifiers),
            None => (None, rest),
        };
        Self { time, modifiers, function }
    }

    #[expect(clippy::cast_precision_loss, reason = "a Julian day is a floating-point number, here as in SQLite")]
    fn moment(&self, row: usize) -> Result<Option<Moment>> {
        let Some(time) = self.time else {
            return exec_err!("`{}` without a time cannot be used here", self.function);
        };
        let mut modifiers: Vec<Cow<'_, str>> = Vec::with_capacity(self.modifiers.len());
        for modifier in self.modifiers {
            match modifier.text(row) {
                Some(text) => modifiers.push(text),
                None => return Ok(None),
            }
        }
        let moment = match time.value(row) {
            Value::Null => return Ok(None),
            Value::Text(text) | Value::Json(text) if text.trim().eq_ignore_ascii_case(NOW) => {
                return exec_err!("`{}`: 'now' must be written as a literal", self.function);
            }
            Value::Text(text) | Value::Json(text) | Value::Decimal(text) => Moment::of_text(text),
            Value::Integer(number) => Some(Moment::of_number(number as f64)),
            Value::Unsigned(number) => Some(Moment::of_number(number as f64)),
            Value::Float(number) => Some(Moment::of_number(number)),
            Value::Boolean(_) => None,
        };
        let Some(moment) = moment else { return Ok(None) };
        moment.modified(&modifiers, self.function)
    }
}

#[cfg(test)]
mod tests;
