//! What of a scan the API is told in its own words: conditions on fields, an order, where to begin.
//!
//! Nothing is told where the query, or the document for every call, says something else in the same place.

use datafusion::logical_expr::Expr;
use serde_json::Value;

use super::ScanSpec;
use crate::bind::{ConjunctFate, Expression, Nulls, Share, SortKey, ToldOrder, told_order, written};
use crate::call::Wants;
use crate::config::Timestamps;
use crate::provider::{Call, Location, PageKind, Parameter, TokenPlace, ValueType};
use crate::scan::push::condition;

/// Conditions that the API is told.
#[derive(Debug, Clone)]
pub(super) struct TellsFilter {
    place: TokenPlace,
    expression: Expression,
}

impl ScanSpec {
    /// Lets the API do what it can of what is checked on the rows, in its own words. The rows are checked all the same.
    pub(super) fn tell_filter(&mut self, filters: &[Expr]) {
        let Some(pushdown) = &self.binding.method.pushdown.filter else { return };
        if !self.may_tell(&pushdown.place) || self.is_said_by_document(&pushdown.place) {
            return;
        }
        let conditions = filters.iter().zip(&self.conjuncts).map(|(expr, (_, fate))| {
            let left = matches!(fate, ConjunctFate::Checked(_));
            left.then(|| condition(&self.table, expr)).flatten()
        });
        let (expression, shares) =
            written(&self.table, &self.binding.method, pushdown, &conditions.collect::<Vec<_>>());
        let place = pushdown.place.clone();
        for ((_, fate), share) in self.conjuncts.iter_mut().zip(shares) {
            match share {
                Share::Unsaid => {}
                Share::TooLong => {
                    *fate =
                        ConjunctFate::Checked("what the API would be told of it is too long for a request".to_owned());
                }
                Share::Told => *fate = ConjunctFate::SentAndChecked,
            }
        }
        self.filter = expression.map(|expression| TellsFilter { place, expression });
    }

    /// The same scan with its rows in an order that the API is told, as far as it can be told.
    ///
    /// # Errors
    /// Why not, for people.
    pub(in crate::scan) fn in_order(&self, keys: &[SortKey]) -> Result<Self, String> {
        let order = told_order(&self.table, &self.binding.method, keys, |column| self.nulls(column))?;
        if !order.values.iter().all(|(place, _)| self.may_tell(place)) {
            return Err("the query says something else there, or asks for one page".to_owned());
        }
        let ordered = Self { order: Some(order), ..self.clone() };
        match ordered.told() {
            Some(_) => Ok(ordered),
            None => Err("the condition goes where the order would".to_owned()),
        }
    }

    /// What NULL stands for in a column of the rows that pass.
    fn nulls(&self, column: usize) -> Nulls {
        match self.table.columns[column].ty {
            _ if self.has_no_null(column) => Nulls::Never,
            ValueType::Integer | ValueType::Number => Nulls::OrMisfits,
            ValueType::Timestamp if self.settings.timestamps == Timestamps::Typed => Nulls::OrMisfits,
            _ => Nulls::Alone,
        }
    }

    /// Whether a column has a value in every row that passes.
    pub(in crate::scan) fn has_no_null(&self, column: usize) -> bool {
        self.not_null.contains(&column)
    }

    /// Why rows before an offset are read all the same; none where the API can begin behind them.
    pub(in crate::scan) fn why_not_behind(&self) -> Option<String> {
        let method = &self.binding.method;
        if self.binding.tuples.len() != 1 {
            return Some("more than one call gives the rows".to_owned());
        }
        if !self.keeps_every_row() {
            return Some("conditions are checked on the rows, so that only they can be counted".to_owned());
        }
        if self.is_own_page(&self.names()) {
            return Some("the query asks for one page".to_owned());
        }
        let stated = method.pagination.total.as_ref().is_some_and(|total| total.rows_path().is_some());
        let why = match &method.pagination.kind {
            PageKind::Page { .. } | PageKind::Offset { .. } if stated && method.pagination.exact => return None,
            PageKind::Page { .. } | PageKind::Offset { .. } => {
                "the document does not say that the total is exact, which would prove the page"
            }
            PageKind::Single | PageKind::Unknown => "there is one answer",
            PageKind::Cursor { .. } | PageKind::NextUrl { .. } | PageKind::LinkHeader => {
                let skip = method.pushdown.skip.as_ref();
                let has_keys = || self.read_plan(Wants::default()).is_ok_and(|plan| plan.knows_keys());
                match skip.is_some_and(|place| self.may_tell(place)) {
                    false => "each page says where the next one is",
                    true if !stated => "the answers state no number of rows, which would prove the place",
                    true if !has_keys() => "the rows have no key, which would prove that others came",
                    true => return None,
                }
            }
        };
        Some(why.to_owned())
    }

    /// Whether the API can be told more of the rows that are wanted: the user says nothing there, and asks for no page,
    /// which would be one of the whole list.
    fn may_tell(&self, place: &TokenPlace) -> bool {
        let names = self.names();
        let mut parameters = self.binding.method.parameters.iter();
        // What is told stands in the call under the name on the wire, which must be nothing else's.
        let is_taken = parameters.any(|parameter| {
            if place.is_at(parameter.location, &parameter.wire) {
                names.arguments.contains_key(&parameter.name)
            } else {
                parameter.name == place.key
            }
        });
        !is_taken && !self.is_own_page(&names)
    }

    /// Whether every call says something there: rows would come that are otherwise not asked for.
    fn is_said_by_document(&self, place: &TokenPlace) -> bool {
        let method = &self.binding.method;
        let sends = |parameter: &Parameter| place.is_at(parameter.location, &parameter.wire);
        method.query.iter().any(|(key, _)| place.is_at(Location::Query, key))
            || method.parameters.iter().any(|parameter| sends(parameter) && parameter.sent_by_default().is_some())
    }

    fn is_own_page(&self, names: &Call) -> bool {
        self.read_plan(Wants::default()).is_ok_and(|plan| plan.is_own_page(names))
    }

    /// A call that holds the names of all that is given, without the values.
    fn names(&self) -> Call {
        let mut names = self.call();
        for name in self.binding.bound.iter().map(|bound| &bound.parameter).chain(self.binding.fixed.keys()) {
            self.place(&mut names, name, Value::Null);
        }
        names
    }

    /// What the API is told in its own words, one expression for each place; none when a place would have two.
    pub(super) fn told(&self) -> Option<Vec<(TokenPlace, Expression)>> {
        let mut told: Vec<(TokenPlace, Expression)> = Vec::new();
        let order = self.order.iter().flat_map(|order| &order.values);
        for (place, expression) in
            self.filter.iter().map(|filter| (&filter.place, &filter.expression)).chain(order.map(|(p, e)| (p, e)))
        {
            match told.iter().position(|(known, _)| known.is_at(place.location, &place.key)) {
                Some(at) => {
                    let (known, there) = told.remove(at);
                    told.push((known, there.and(expression.clone())?));
                }
                None => told.push((place.clone(), expression.clone())),
            }
        }
        Some(told)
    }

    /// What the API is told of conditions on fields: the parameter or header, and the expression.
    pub(in crate::scan) fn filter(&self) -> Option<String> {
        self.filter.as_ref().map(|filter| format!("{}: {}", filter.place.key, filter.expression.text()))
    }

    /// What the API is told of the order.
    pub(in crate::scan) fn order(&self) -> Option<&ToldOrder> {
        self.order.as_ref()
    }
}
