//! Conditions as a request writes them in one expression: `X-Filter` and OData's `$filter`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::state::Row;

/// A condition on the fields of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Compare(String, Comparison, Value),
    /// The field holds this text, in any case.
    Contains(String, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Term {
    /// The fields that it names.
    pub(super) fn fields(&self) -> Vec<&str> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::fields).collect(),
            Self::Compare(field, ..) | Self::Contains(field, _) => vec![field],
        }
    }

    /// Whether a row meets it.
    pub(super) fn holds(&self, row: &Row) -> bool {
        let value = |field: &str| row.values.get(field).unwrap_or(&Value::Null);
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::Contains(field, text) => {
                value(field).as_str().is_some_and(|value| value.to_lowercase().contains(&text.to_lowercase()))
            }
            Self::Compare(field, comparison, wanted) => {
                let value = value(field);
                match comparison {
                    Comparison::Equal => value == wanted || compare(value, wanted) == Some(Ordering::Equal),
                    Comparison::NotEqual => value != wanted && compare(value, wanted) != Some(Ordering::Equal),
                    Comparison::Less => compare(value, wanted).is_some_and(Ordering::is_lt),
                    Comparison::LessOrEqual => compare(value, wanted).is_some_and(Ordering::is_le),
                    Comparison::Greater => compare(value, wanted).is_some_and(Ordering::is_gt),
                    Comparison::GreaterOrEqual => compare(value, wanted).is_some_and(Ordering::is_ge),
                }
            }
        }
    }
}

/// How two values compare; nothing where they do not.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}

/// An `X-Filter`; its keys for the order are not looked at.
pub(super) fn x_filter(text: &str) -> Option<Term> {
    of_object(serde_json::from_str::<Value>(text).ok()?.as_object()?)
}

fn of_object(object: &Map<String, Value>) -> Option<Term> {
    let mut all = Vec::new();
    for (key, value) in object {
        let parts = || value.as_array()?.iter().map(|part| of_object(part.as_object()?)).collect::<Option<Vec<_>>>();
        match (key.as_str(), value) {
            ("+order_by" | "+order", _) => {}
            ("+and", _) => all.push(Term::All(parts()?)),
            ("+or", _) => all.push(Term::Any(parts()?)),
            (key, _) if key.starts_with('+') => return None,
            (field, Value::Object(operators)) => {
                for (operator, wanted) in operators {
                    let comparison = match operator.as_str() {
                        "+contains" => {
                            all.push(Term::Contains(field.to_owned(), wanted.as_str()?.to_owned()));
                            continue;
                        }
                        "+eq" => Comparison::Equal,
                        "+neq" => Comparison::NotEqual,
                        "+lt" => Comparison::Less,
                        "+lte" => Comparison::LessOrEqual,
                        "+gt" => Comparison::Greater,
                        "+gte" => Comparison::GreaterOrEqual,
                        _ => return None,
                    };
                    all.push(Term::Compare(field.to_owned(), comparison, wanted.clone()));
                }
            }
            (field, wanted) => all.push(Term::Compare(field.to_owned(), Comparison::Equal, wanted.clone())),
        }
    }
    Some(Term::All(all))
}

/// A `$filter`: comparisons with a literal, `contains`, `and`, `or`, parentheses.
pub(super) fn odata(text: &str) -> Option<Term> {
    let mut tokens = Tokens { rest: text, depth: 0 };
    let term = tokens.any()?;
    tokens.rest.trim().is_empty().then_some(term)
}

struct Tokens<'a> {
    rest: &'a str,
    depth: usize,
}

impl Tokens<'_> {
    /// How deep parentheses may go: a request is nobody's to crash us with.
    const DEEPEST: usize = 64;

    fn any(&mut self) -> Option<Term> {
        let mut parts = vec![self.all()?];
        while self.word_is("or") {
            parts.push(self.all()?);
        }
        if parts.len() == 1 { parts.pop() } else { Some(Term::Any(parts)) }
    }

    fn all(&mut self) -> Option<Term> {
        let mut parts = vec![self.one()?];
        while self.word_is("and") {
            parts.push(self.one()?);
        }
        if parts.len() == 1 { parts.pop() } else { Some(Term::All(parts)) }
    }

    fn one(&mut self) -> Option<Term> {
        if self.mark_is('(') {
            self.depth += 1;
            let term = if self.depth > Self::DEEPEST { None } else { self.any() }?;
            self.depth -= 1;
            return self.mark_is(')').then_some(term);
        }
        let name = self.word()?;
        if name == "contains" && self.mark_is('(') {
            let field = self.word()?;
            let text = if self.mark_is(',') { self.literal()? } else { return None };
            return self.mark_is(')').then_some(Term::Contains(field, text.as_str()?.to_owned()));
        }
        let comparison = match self.word()?.as_str() {
            "eq" => Comparison::Equal,
            "ne" => Comparison::NotEqual,
            "lt" => Comparison::Less,
            "le" => Comparison::LessOrEqual,
            "gt" => Comparison::Greater,
            "ge" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        Some(Term::Compare(name, comparison, self.literal()?))
    }

    fn mark_is(&mut self, mark: char) -> bool {
        let found = self.rest.trim_start().strip_prefix(mark);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn word_is(&mut self, word: &str) -> bool {
        let before = self.rest;
        let found = self.word().is_some_and(|found| found == word);
        if !found {
            self.rest = before;
        }
        found
    }

    fn word(&mut self) -> Option<String> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }

    /// A text in single quotes, of which one inside is two; or a JSON value.
    fn literal(&mut self) -> Option<Value> {
        let text = self.rest.trim_start();
        let Some(mut left) = text.strip_prefix('\'') else {
            let end = text.find([' ', ')', ',']).unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            self.rest = rest;
            return serde_json::from_str(word).ok();
        };
        let mut value = String::new();
        loop {
            let (before, behind) = left.split_once('\'')?;
            value.push_str(before);
            let Some(more) = behind.strip_prefix('\'') else {
                self.rest = behind;
                return Some(Value::from(value));
            };
            value.push('\'');
            left = more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn equal(field: &str, value: Value) -> Term {
        Term::Compare(field.to_owned(), Comparison::Equal, value)
    }

    #[test]
    fn both_ways_of_writing() {
        let size = Term::Compare("size".to_owned(), Comparison::Greater, json!(5));
        let name = equal("name", json!("it's"));
        let either = Term::Any(vec![name.clone(), size.clone()]);
        assert_eq!(odata("(name eq 'it''s') or (size gt 5)"), Some(either.clone()));
        let x = x_filter(r#"{"+or": [{"name": "it's"}, {"size": {"+gt": 5}}], "+order_by": "name"}"#);
        let within = |term: &Term| Term::All(vec![term.clone()]);
        assert_eq!(x, Some(within(&Term::Any(vec![within(&name), within(&size)]))));
        assert_eq!(
            odata("contains(name,'a') and ok eq true").map(|term| term.fields().join(" ")).as_deref(),
            Some("name ok")
        );
        for wrong in [
            "",
            "name",
            "name eq",
            "name is 'a'",
            "(name eq 'a'",
            "name eq 'a",
            "name eq 'a' nor",
            "(".repeat(200).as_str(),
        ] {
            assert_eq!(odata(wrong), None, "{wrong}");
        }
        for wrong in ["", "[]", r#"{"+xor": []}"#, r#"{"a": {"+like": 1}}"#, r#"{"+and": [1]}"#] {
            assert_eq!(x_filter(wrong), None, "{wrong}");
        }
    }
}
