//! All names of a template that have no value, not only the first: each that is found gets a stand-in, and the template is
//! rendered again to see what is missing behind it. What is guarded by `default` or `is defined` is not missing, which
//! only rendering can tell.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as JinjaValue};
use serde_json::{Map, Value};

/// So many names are told at once.
const MOST: usize = 50;

/// A name without a value, and what stands in for it.
#[derive(Debug, Clone)]
struct Missing {
    /// The parts of its path.
    path: Vec<String>,
    kind: Kind,
}

/// What a stand-in can be used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A list of one, an object with every member, a text.
    Anything,
    Number,
}

/// The names that have no value, as far as they are found.
#[derive(Debug, Clone, Default)]
pub(super) struct MissingNames(Vec<Missing>);

impl MissingNames {
    /// Lets something stand in for the name that an error is about; whether that may lead further.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let is_new = !self.0.iter().any(|known| path.starts_with(&known.path));
        if is_new && self.0.len() < MOST {
            self.0.push(Missing { path, kind: Kind::Anything });
            return true;
        }
        false
    }

    /// After a failure of another kind: the last name may be meant as a number. Whether there is more to try.
    pub(super) fn try_another_kind(&mut self) -> bool {
        match self.0.last_mut() {
            Some(last) if last.kind == Kind::Anything => {
                last.kind = Kind::Number;
                true
            }
            _ => false,
        }
    }

    /// The values of a template, with stand-ins.
    pub(super) fn values(&self, given: &Map<String, Value>) -> Vec<(String, JinjaValue)> {
        let below: Vec<Below<'_>> = self.0.iter().map(|missing| (missing.path.as_slice(), missing.kind)).collect();
        members(given, &below)
    }

    /// The stand-in of a member of `name`, where there is one.
    pub(super) fn of_member(&self, name: &str, member: &str) -> Option<JinjaValue> {
        let found = self.0.iter().find(|missing| missing.path == [name, member])?;
        Some(found.kind.value())
    }
}

/// What is left of a path, and what stands at its end.
type Below<'a> = (&'a [String], Kind);

fn members(given: &Map<String, Value>, missing: &[Below<'_>]) -> Vec<(String, JinjaValue)> {
    let known = given.iter().map(|(name, value)| {
        let below: Vec<Below<'_>> = missing
            .iter()
            .filter_map(|(path, kind)| Some((path.strip_prefix(std::slice::from_ref(name))?, *kind)))
            .collect();
        let value = match value {
            Value::Object(inner) if !below.is_empty() => members(inner, &below).into_iter().collect(),
            value => JinjaValue::from_serialize(value),
        };
        (name.clone(), value)
    });
    let absent = missing.iter().filter_map(|(path, kind)| Some((path.first()?, kind)));
    let absent = absent.filter(|(name, _)| !given.contains_key(*name));
    known.chain(absent.map(|(name, kind)| (name.clone(), kind.value()))).collect()
}

impl Kind {
    fn value(self) -> JinjaValue {
        match self {
            Self::Anything => JinjaValue::from_object(Anything { lists: 3 }),
            Self::Number => JinjaValue::from(1),
        }
    }
}

/// A list of one and an object with every member.
#[derive(Debug)]
struct Anything {
    /// How many lists are in one another.
    lists: usize,
}

impl Object for Anything {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        Some(match (key.as_usize(), self.lists.checked_sub(1)) {
            (None, _) => JinjaValue::from_dyn_object(Arc::clone(self)),
            (Some(0), Some(lists)) => JinjaValue::from_object(Self { lists }),
            (Some(0), None) => JinjaValue::from("x"),
            (Some(_), _) => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(1)
    }
}
