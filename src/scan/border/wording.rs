//! What the query engine says, in our words: one line per message that it is known for. What no line is about is made
//! readable, and keeps its own words.

use std::sync::LazyLock;

use regex::Regex;

use crate::error::{Error, ErrorKind};

/// One message of the query engine, with `{}` for what differs, and what is said in its place.
struct Rule {
    theirs: &'static str,
    kind: ErrorKind,
    /// With `{0}`, `{1}` … for what `{}` stood for.
    said: &'static str,
    hint: &'static str,
}

const fn wrong(theirs: &'static str, said: &'static str, hint: &'static str) -> Rule {
    Rule { theirs, kind: ErrorKind::InvalidArgument, said, hint }
}

const fn unknown(theirs: &'static str, said: &'static str, hint: &'static str) -> Rule {
    Rule { theirs, kind: ErrorKind::NameNotFound, said, hint }
}

const fn unsupported(theirs: &'static str, said: &'static str, hint: &'static str) -> Rule {
    Rule { theirs, kind: ErrorKind::Unsupported, said, hint }
}

/// The first one that matches counts: what is more special stands first.
const RULES: &[Rule] = &[
    // Values.
    wrong("Cannot cast string '{}' to value of {} type", "`{0}` is no {1}", TRY_CAST),
    wrong("Cannot cast to {}. Overflowing on {}", "{1} is too large for the type that CAST names", TRY_CAST),
    wrong("Can't cast value {} to type {}", "{0} is too large for the type that CAST names", TRY_CAST),
    wrong("Cannot cast value '{}' to value of {} type", "`{0}` is no {1}", TRY_CAST),
    wrong("Error parsing timestamp from '{}': {}", "`{0}` is no timestamp: {1}", TRY_CAST),
    wrong("Cannot parse string '{}' as {}", "`{0}` is no {1}", TRY_CAST),
    wrong("Cannot cast {} to {}", "a value of type {0} cannot become {1}", "`typeof(x)` tells the type of a value"),
    wrong(
        "Unsupported CAST from {} to {}",
        "a value of type {0} cannot become {1}",
        "`typeof(x)` tells the type of a value",
    ),
    wrong(
        "Casting from {} to {} not supported",
        "a value of type {0} cannot become {1}",
        "`typeof(x)` tells the type of a value",
    ),
    wrong("Invalid timezone \"{}\"", "there is no time zone `{0}`", "a time zone is written `+02:00`, or `UTC`"),
    wrong("Divide by zero", "a number is divided by zero", "`nullif(x, 0)` makes the answer NULL there"),
    wrong(
        "Overflow happened on: {}",
        "a number became too large: {0}",
        "`CAST(x AS DOUBLE)` or `CAST(x AS DECIMAL(38, 0))` holds more",
    ),
    wrong(
        "Arithmetic overflow: {}",
        "a number became too large: {0}",
        "`CAST(x AS DOUBLE)` or `CAST(x AS DECIMAL(38, 0))` holds more",
    ),
    wrong(
        "`{}` got a pattern that cannot be read: regex parse error: {} error: {}",
        "`{0}` got a pattern that cannot be read: {2}",
        PATTERN,
    ),
    wrong("Regular expression did not compile: {}", "a pattern cannot be read: {0}", PATTERN),
    wrong("Regular expression failed to compile: {}", "a pattern cannot be read: {0}", PATTERN),
    wrong("Invalid regexp expression '{}': {}", "the pattern `{0}` cannot be read: {1}", PATTERN),
    wrong("regex parse error: {} error: {}", "a pattern cannot be read: {1}", PATTERN),
    wrong(
        "regexp_{}() does not support the \"global\" option",
        "`regexp_{0}` takes no flag `g`",
        "leave it out: it says whether there is a match at all",
    ),
    wrong("Invalid interval argument: {}", "an interval cannot be read: {0}", INTERVAL),
    wrong("Invalid input syntax for type interval: {}", "{0} is no interval", INTERVAL),
    wrong(
        "Date part '{}' not supported",
        "there is no part `{0}` of a date",
        "it is one of year, quarter, month, week, day, dow, doy, hour, minute, second, epoch",
    ),
    wrong("field position must not be zero", "`split_part` counts from 1", "a negative number counts from the end"),
    wrong(
        "negative substring length not allowed: substr({}",
        "`substr` takes no negative length",
        "leave the length out for all that follows",
    ),
    wrong("negative count not allowed: {}", "a length cannot be negative", "leave it out for all that follows"),
    wrong(
        "Unsupported date_trunc granularity: '{}'. Supported values are: {}",
        "`date_trunc` knows no `{0}`",
        "it is one of {1}",
    ),
    wrong(
        "string size overflow on repeat, max size is {}, but got {}",
        "`repeat` would make a text of {1} bytes",
        "{0} is the most",
    ),
    wrong(
        "invalid Unicode scalar value: {}",
        "{0} is no character",
        "`chr` takes the number of a character in Unicode",
    ),
    wrong(
        "Percentile value must be between 0.0 and 1.0 inclusive, {} is invalid",
        "a percentile is between 0 and 1, not {0}",
        "the median is 0.5",
    ),
    wrong(
        "Failed to decode value using {}: {}",
        "a value cannot be read as {0}: {1}",
        "`encode` and `decode` know `hex` and `base64`",
    ),
    wrong(
        "Invalid escape character in LIKE expression. Expected a single character wrapped with single quotes, got {}",
        "ESCAPE takes one character, not {0}",
        "for example `LIKE '10!%' ESCAPE '!'`",
    ),
    wrong(
        "Placeholder '{}' was not provided a value for execution",
        "`{0}` has no value",
        "placeholders are `$1`, `$2` …: `PREPARE name AS …`, then `EXECUTE name (value, …)`",
    ),
    wrong(
        "`{}` got text that is not JSON, at character {}",
        "`{0}` got text that is not JSON, at character {1}",
        "`json_valid(x)` tells which texts are",
    ),
    wrong(
        "`strftime`: there is no {}",
        "`strftime`: there is no {0}",
        "for example `%Y-%m-%d %H:%M:%S`; `%%` is a percent sign",
    ),
    // Subqueries.
    wrong(
        "Scalar subquery returned more than one row",
        "a subquery that stands for one value gave more than one row",
        "`LIMIT 1` or an aggregate makes it one; `IN (SELECT …)` compares with all",
    ),
    wrong(
        "Correlated scalar subquery must be aggregated to return at most one row",
        "a subquery that refers to the query around it may give more than one row",
        "put its column into an aggregate, such as `max(…)`, or join the tables",
    ),
    wrong(
        "Scalar subquery should only return one column, but found {}: {}",
        "a subquery that stands for one value has {0} columns",
        "select one of {1}",
    ),
    wrong(
        "InSubquery should only return one column, but found {}: {}",
        "the subquery of IN has {0} columns",
        "select one of {1}",
    ),
    wrong(
        "Set comparison subquery should only return one column, but found {}: {}",
        "the subquery of ANY or ALL has {0} columns",
        "select one of {1}",
    ),
    wrong(
        "Too many columns! The subquery should only return one column",
        "a subquery that stands for one value has more than one column",
        "select one",
    ),
    wrong(
        "Select a single column in the subquery",
        "a subquery that stands for one value has more than one column",
        "select one",
    ),
    unsupported(
        "Physical plan does not support logical expression Exists({}",
        "EXISTS cannot stand there",
        "it can in WHERE and ON; `(SELECT count(*) FROM …) > 0` says the same as a value",
    ),
    unsupported(
        "Physical plan does not support logical expression InSubquery({}",
        "IN with a subquery cannot stand there",
        "it can in WHERE and ON; as a value a join says the same",
    ),
    unsupported(
        "Physical plan does not support logical expression OuterReferenceColumn({}",
        "a subquery refers to the query around it where that is not possible",
        "join the tables",
    ),
    unsupported(
        "Unsupported ast node in create_physical_expr: Exists({}",
        "EXISTS cannot stand there",
        "it can in WHERE and ON",
    ),
    unsupported("TOP", "TOP is not known", "`LIMIT n` at the end of the query says the same"),
    unsupported(
        "Unsupported ast node Pivot {}",
        "PIVOT is not known",
        "one `count(*) FILTER (WHERE …)` for each value says the same, with GROUP BY for the rows",
    ),
    unsupported(
        "Unsupported ast node Unpivot {}",
        "UNPIVOT is not known",
        "`UNION ALL` of one query for each column says the same",
    ),
    unsupported(
        "Unsupported ast node {} in create_relation",
        "FROM holds something that is not known",
        "it takes tables, subqueries, joins, VALUES and functions that are tables",
    ),
    unsupported(
        "Accessing outer reference columns is not allowed in the plan: {}",
        "a subquery refers to the query around it where that is not possible",
        "join the tables",
    ),
    unsupported(
        "A GROUP BY clause in a scalar correlated subquery cannot contain non-correlated columns",
        "a subquery that refers to the query around it cannot be grouped by a column of its own",
        "join the tables, and group the join",
    ),
    // Aggregates, groups, windows.
    wrong(
        "Column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column \"{}\" must appear in the GROUP BY clause {}",
        "`{0}` is neither grouped by nor inside an aggregate",
        "add it to GROUP BY, or put it into an aggregate such as `max({0})`",
    ),
    wrong(
        "Column in HAVING must be in GROUP BY or an aggregate function: While expanding wildcard, column \"{}\" must appear in the GROUP BY clause {}",
        "`{0}` in HAVING is neither grouped by nor inside an aggregate",
        "add it to GROUP BY, or put it into an aggregate such as `max({0})`",
    ),
    wrong(
        "Column in ORDER BY must be in GROUP BY or an aggregate function: While expanding wildcard, column \"{}\" must appear in the GROUP BY clause {}",
        "`{0}` in ORDER BY is neither grouped by nor inside an aggregate",
        "add it to GROUP BY, or put it into an aggregate such as `max({0})`",
    ),
    wrong(
        "Column in QUALIFY must be in GROUP BY or an aggregate function: While expanding wildcard, column \"{}\" must appear in the GROUP BY clause {}",
        "`{0}` in QUALIFY is neither grouped by nor inside an aggregate",
        "add it to GROUP BY, or put it into an aggregate such as `max({0})`",
    ),
    wrong(
        "HAVING clause references: {} must appear in the GROUP BY clause or be used in an aggregate function",
        "`{0}` in HAVING is neither grouped by nor inside an aggregate",
        "conditions on rows belong into WHERE",
    ),
    wrong(
        "Aggregate functions are not allowed in the WHERE clause{}",
        "an aggregate cannot stand in WHERE",
        "HAVING has conditions on groups",
    ),
    wrong(
        "Aggregate function calls cannot be nested: '{}' is nested inside '{}'",
        "`{0}` stands inside another aggregate",
        "compute it in an inner query: `FROM (SELECT … GROUP BY …)`",
    ),
    wrong(
        "Aggregate function calls cannot contain window function calls: '{}' is nested inside '{}'",
        "`{0}` stands inside an aggregate",
        "compute it in an inner query: `FROM (SELECT …)`",
    ),
    wrong(
        "Window function calls cannot be nested: '{}' is nested inside '{}'",
        "`{0}` stands inside another window function",
        "compute it in an inner query: `FROM (SELECT …)`",
    ),
    wrong(
        "Physical plan does not support logical expression AggregateFunction({}",
        "an aggregate cannot stand there",
        "it can between SELECT and FROM, in HAVING and in ORDER BY",
    ),
    wrong(
        "Invalid group by expressions, GroupingSet must be the only expression",
        "GROUPING SETS, CUBE and ROLLUP stand alone in GROUP BY",
        "put the other expressions into each set",
    ),
    wrong(
        "Cannot find column with position {} in SELECT clause. Valid columns: 1 to {}",
        "GROUP BY {0} means no column: {1} are selected",
        "name the column",
    ),
    wrong(
        "Order by column out of bounds, specified: {}, max: {}",
        "ORDER BY {0} means no column: {1} are selected",
        "name the column",
    ),
    wrong("Order by index starts at 1 for column indexes", "ORDER BY counts columns from 1", "name the column"),
    wrong(
        "For SELECT DISTINCT, ORDER BY expressions {} must appear in select list",
        "SELECT DISTINCT cannot be ordered by {0}, which it does not give",
        "add it to what is selected",
    ),
    wrong(
        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
        "ORDER BY must begin with what stands in DISTINCT ON",
        "add it there",
    ),
    wrong(
        "QUALIFY clause requires window functions{}",
        "QUALIFY needs a window function",
        "conditions on rows belong into WHERE",
    ),
    wrong(
        "RANGE requires exactly one ORDER BY column",
        "a window by RANGE is ordered by exactly one column",
        "ROWS takes any number",
    ),
    wrong("GROUPS requires an ORDER BY clause", "a window by GROUPS needs an ORDER BY", "add it inside OVER"),
    wrong(
        "NTILE requires a positive integer{}",
        "`ntile` takes a number from 1",
        "for example `ntile(4) OVER (ORDER BY x)`",
    ),
    wrong(
        "The window {} is not defined!",
        "there is no window `{0}`",
        "`WINDOW {0} AS (…)` behind the conditions defines it",
    ),
    wrong(
        "The window {} is defined multiple times!",
        "the window `{0}` is defined twice",
        "give one of them another name",
    ),
    unknown("There is no window function named {}", "there is no window function `{0}`", FUNCTIONS),
    wrong(
        "string_agg delimiter must be a string literal",
        "the separator of `string_agg` must be a literal",
        "for example `string_agg(x, ', ')`",
    ),
    wrong(
        "WITHIN GROUP is only supported for ordered-set aggregate functions",
        "WITHIN GROUP is for aggregates of an order, such as `percentile_cont`",
        "leave it out",
    ),
    // Sets, lists, limits.
    wrong(
        "{} queries have different number of columns",
        "the queries of {0} have different numbers of columns",
        "select as many in each; NULL fills a place",
    ),
    wrong(
        "INTERSECT/EXCEPT query must have the same number of columns. Left is {} and right is {}",
        "the queries of INTERSECT or EXCEPT have {0} and {1} columns",
        "select as many in each",
    ),
    wrong(
        "Inconsistent data length across values list: got {} values in row {} but expected {}",
        "a row of VALUES has {0} values, another one {2}",
        "give each row as many; NULL fills a place",
    ),
    wrong(
        "Non-recursive term and recursive term must have the same number of columns ({} != {})",
        "the two queries of a recursive WITH have {0} and {1} columns",
        "select as many in each",
    ),
    wrong("WITH query name \"{}\" specified more than once", "WITH names `{0}` twice", "give one of them another name"),
    wrong(
        "LIMIT must be >= 0, '{}' was provided",
        "LIMIT cannot be {0}",
        "it is a number from 0, or left out for all rows",
    ),
    wrong("OFFSET must be >=0, '{}' was provided", "OFFSET cannot be {0}", "it is a number from 0"),
    wrong(
        "Expected {} to be an integer or null, but got {}",
        "{0} must be a whole number, not {1}",
        "for example LIMIT 10",
    ),
    wrong(
        "SELECT * with no tables specified is not valid",
        "`SELECT *` needs a table",
        "for example `SELECT * FROM linode.images.images`",
    ),
    wrong(
        "Projections require unique expression names but the expression \"{}\" at position {} and \"{}\" at position {} have the same name. Consider aliasing (\"AS\") one of them",
        "two columns are called `{0}`",
        "`AS name` gives one of them another name",
    ),
    wrong("Schema contains duplicate {}", "two columns have one name: {0}", "`AS name` gives one of them another name"),
    // Types of operators and functions.
    wrong(
        "Cannot infer common argument type for comparison operation {} {} {}",
        "{0} and {2} cannot be compared",
        "CAST converts one of them",
    ),
    wrong(
        "Cannot coerce arithmetic expression {} {} {} to valid types",
        "`{1}` does not take {0} and {2}",
        "CAST converts one of them",
    ),
    wrong(
        "Cannot infer common argument type for logical boolean operation {} {} {}",
        "{1} does not take {0} and {2}",
        "each side must be a condition, such as `x = 1`",
    ),
    wrong(
        "Cannot infer common string type for string concat operation {} {} {}",
        "`||` does not take {0} and {2}",
        "CAST(x AS VARCHAR) makes a text",
    ),
    wrong(
        "There isn't a common type to coerce {} and {} in {} expression",
        "{2} does not compare {0} with {1}",
        "CAST converts one of them",
    ),
    wrong(
        "Can not find compatible types to compare {} with [{}]",
        "IN does not compare {0} with {1}",
        "CAST converts one side",
    ),
    wrong(
        "{} must be boolean type, but got {}",
        "a condition must be true or false, not of type {1}",
        "for example `x <> 0`",
    ),
    wrong(
        "Cannot create filter with non-boolean predicate '{}' returning {}",
        "`{0}` is no condition: it is of type {1}",
        "for example `{0} IS NOT NULL`",
    ),
    wrong(
        "Filter predicate must return BOOLEAN values, got {}",
        "a condition must be true or false, not of type {0}",
        "for example `x <> 0`",
    ),
    wrong(
        "Unary operator '-' only supports signed numeric, interval and timestamp types",
        "`-` takes a number or an interval",
        "CAST converts",
    ),
    wrong(
        "Unary operator 'NOT' requires a boolean expression, got {}",
        "NOT takes a condition, not {0}",
        "for example `NOT x = 0`",
    ),
    wrong(
        "Argument #{} must be an INTEGER, TIMESTAMP, DATE or NULL, got {}",
        "argument {0} must be a whole number or a time, not {1}",
        "CAST converts",
    ),
    wrong(
        "Negation only supports numeric, interval and timestamp types",
        "`-` takes a number or an interval",
        "CAST converts",
    ),
    wrong(
        "Unary operator '+' only supports numeric, interval and timestamp types",
        "`+` takes a number or an interval",
        "CAST converts",
    ),
    wrong(
        "Failed to coerce then ({}) and else ({}) to common types in CASE WHEN expression",
        "the values of CASE have no type in common: {0} and {1}",
        "CAST(x AS VARCHAR) makes texts of them",
    ),
    wrong(
        "Failed to coerce case ({}) and when ({}) to common types in CASE WHEN expression",
        "CASE does not compare {0} with {1}",
        "CAST converts one of them",
    ),
    wrong(
        "Failed to coerce {} to common types in CASE WHEN expression",
        "the values of CASE have no type in common",
        "CAST(x AS VARCHAR) makes texts of them",
    ),
    wrong(
        "Function '{}' does not support named arguments",
        "`{0}` takes its arguments by their order, not by name",
        "leave the names out",
    ),
    wrong("Unknown parameter name '{}'. Valid parameters are: [{}]", "there is no argument `{0}`", "they are {1}"),
    wrong(
        "unnest() can only be applied to array, struct and null",
        "`unnest` takes a list",
        "`FROM t, json_each(t.column) AS e` is a table of a JSON array",
    ),
    wrong("Unsupported data type {} for function {}", "`{1}` does not take {0}", "CAST converts"),
    wrong(
        "The {} function can only accept strings, but got {}",
        "`{0}` takes texts, not {1}",
        "CAST(x AS VARCHAR) makes a text",
    ),
    wrong("Support for '{}' for data type {} is not implemented", "`{0}` does not take {1}", "CAST converts"),
    // Names.
    unknown("table '{}' not found", "table '{0}' not found", ""),
    unknown("Invalid qualifier {}", "there is no table `{0}` in this query", "`FROM t AS x` calls a table `x`"),
    unsupported(
        "compound identifier: {}",
        "a name has too many parts: {0}",
        "an alias makes it short: `FROM p.s.r AS r`, then `r.column`",
    ),
    unknown(
        "Unsupported SQL type {}",
        "there is no type `{0}`",
        "there are BIGINT, DOUBLE, DECIMAL(p, s), VARCHAR, BOOLEAN, DATE, TIMESTAMP, INTERVAL and others",
    ),
    unsupported(
        "Unsupported compound identifier '{}'. Expected 1, 2 or 3 parts, got {}",
        "`{0}` has too many parts",
        "an alias makes it short: `FROM p.s.r AS r`, then `r.column`",
    ),
    wrong("Table not found: {}", "there is no table `{0}`", ""),
    unsupported(
        "Physical plan does not support logical expression {}",
        "this expression cannot stand there",
        "try it in a query of its own: `FROM (SELECT …)`",
    ),
];

const TRY_CAST: &str = "`TRY_CAST` gives NULL for what does not fit; texts are compared with texts: `'5'`";
const PATTERN: &str = "patterns are regular expressions; `\\` before a sign takes it as it is: `\\(`";
const INTERVAL: &str = "it is written `INTERVAL '2 days 3 hours'`";
const FUNCTIONS: &str = "`SHOW FUNCTIONS` lists them";

/// The message in our words; none where no rule is about it.
pub(super) fn in_our_words(text: &str) -> Option<Error> {
    let line = one_line(text);
    RULES.iter().find_map(|rule| {
        let found = captures(rule.theirs, &line)?;
        let found: Vec<String> = found.into_iter().map(readable).collect();
        let error = Error::new(rule.kind, filled(rule.said, &found));
        Some(if rule.hint.is_empty() { error } else { error.hint(filled(rule.hint, &found)) })
    })
}

/// What stands where a rule has `{}`, if the text has all of the rule's words in their order.
fn captures<'t>(rule: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut words = rule.split("{}");
    let first = words.next()?;
    let mut rest = &text[text.find(first)? + first.len()..];
    let mut found = Vec::new();
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        if word.is_empty() && words.peek().is_none() {
            found.push(rest.trim());
            break;
        }
        let (before, behind) = rest.split_once(word)?;
        found.push(before.trim());
        rest = behind;
    }
    Some(found)
}

fn filled(said: &str, found: &[String]) -> String {
    found.iter().enumerate().fold(said.to_owned(), |said, (at, text)| said.replace(&format!("{{{at}}}"), text))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Spelling {
    /// `Utf8("x")`
    texts: Regex,
    /// `Int64(1)`
    numbers: Regex,
    /// `provider.service.resource.column`
    columns: Regex,
    types: Vec<(Regex, &'static str)>,
}

static SPELLING: LazyLock<Option<Spelling>> = LazyLock::new(|| {
    let types = [
        (r"\b(?:LargeUtf8|Utf8View|Utf8)\b", "text"),
        (r"\bU?Int(?:8|16|32|64)\b", "integer"),
        (r"\bFloat(?:16|32|64)\b", "number"),
        (r"\bBoolean\b", "boolean"),
        (r"\bDecimal\d+\([^()]*\)", "decimal"),
        (r"\bTimestamp\((?:[^()]|\([^()]*\))*\)", "timestamp"),
        (r"\bInterval\([^()]*\)", "interval"),
        (r"\bDuration\([^()]*\)", "duration"),
        (r"\bTime(?:32|64)\([^()]*\)", "time"),
        (r"\bDate(?:32|64)\b", "date"),
        (r"\b(?:LargeBinary|BinaryView|Binary)\b", "binary"),
        (r"\b(?:LargeList|FixedSizeList|List)\((?:[^()]|\([^()]*\))*\)", "list"),
        (r"\bNull\b", "NULL"),
    ];
    let types = types.into_iter().map(|(pattern, name)| Some((Regex::new(pattern).ok()?, name)));
    Some(Spelling {
        texts: Regex::new(r#"\b(?:LargeUtf8|Utf8View|Utf8)\("((?:[^"\\]|\\.)*)"\)"#).ok()?,
        numbers: Regex::new(r"\b(?:U?Int(?:8|16|32|64)|Float(?:16|32|64)|Boolean|LargeUtf8|Utf8View|Utf8)\(([^()]*)\)")
            .ok()?,
        columns: Regex::new(r#"\b\w+\.\w+\.\w+\.(\w+|"[^"]+")"#).ok()?,
        types: types.collect::<Option<_>>()?,
    })
});

/// A text of the query engine with literals as SQL writes them, and types by names that people know.
pub(super) fn readable(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let Some(Spelling { texts, numbers, columns, types }) = SPELLING.as_ref() else { return text.to_owned() };
    let text = texts.replace_all(text, "'$1'");
    let text = numbers.replace_all(&text, "$1");
    let text = columns.replace_all(&text, "$1");
    let mut text = text.replace("count(1)", "count(*)");
    for (pattern, name) in types {
        text = pattern.replace_all(&text, *name).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_in_our_words() {
        for (theirs, said, hint) in [
            ("Cannot cast string 'abc' to value of Int64 type", "`abc` is no integer", TRY_CAST),
            ("Divide by zero error", "a number is divided by zero", "`nullif(x, 0)` makes the answer NULL there"),
            (
                "Cannot coerce arithmetic expression Utf8 + Interval(MonthDayNano) to valid types",
                "`+` does not take text and interval",
                "CAST converts one of them",
            ),
            (
                "Inconsistent data length across values list: got 1 values in row 2 but expected 3",
                "a row of VALUES has 1 values, another one 3",
                "give each row as many; NULL fills a place",
            ),
        ] {
            let error = in_our_words(theirs).unwrap();
            assert_eq!((error.message(), error.hint_text()), (said, Some(hint)), "{theirs}");
        }
        assert!(in_our_words("something else").is_none());
    }

    #[test]
    fn what_is_said_is_in_the_style_of_the_house() {
        for rule in RULES {
            for said in [rule.said, rule.hint] {
                assert!(!said.ends_with('.'), "{said}");
                let first = said.chars().next().unwrap_or('a');
                let second = said.chars().nth(1).unwrap_or('a');
                assert!(!first.is_uppercase() || second.is_uppercase(), "{said}");
                let holes = rule.theirs.matches("{}").count();
                assert!((holes..9).all(|hole| !said.contains(&format!("{{{hole}}}"))), "{said}");
            }
            let earlier = RULES.iter().take_while(|other| !std::ptr::eq(*other, rule));
            let hidden = earlier.filter(|other| captures(other.theirs, rule.theirs).is_some());
            assert_eq!(hidden.map(|other| other.theirs).collect::<Vec<_>>(), Vec::<&str>::new(), "{}", rule.theirs);
        }
    }

    #[test]
    fn expressions_and_types_are_readable() {
        for (theirs, wanted) in [
            (r#"upper(Utf8("a\"b")) + Int64(1)"#, r#"upper('a\"b') + 1"#),
            (
                "Timestamp(Microsecond, Some(\"UTC\")), Utf8View, List(Field { \"item\": Int64 })",
                "timestamp, text, list",
            ),
            ("Boolean(NULL) AND Boolean", "NULL AND boolean"),
            ("my_Int64_column", "my_Int64_column"),
            ("sum(linode.images.images.size) > count(Int64(1)) + a.size", "sum(size) > count(*) + a.size"),
        ] {
            assert_eq!(readable(theirs), wanted);
        }
    }
}
