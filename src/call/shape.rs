//! What a read needs to know before its first request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{Schema, SchemaRef};
use serde_json::Value;

use super::found::Identity;
use crate::bind::Table;
use crate::config::{SchemaMode, Settings, Timestamps};
use crate::error::{Result, fold_name};
use crate::provider::{
    Call, Column, ItemShape, Method, PageKind, PageSize, Parameter, TokenPlace, TokenSource, ValueType,
    tells_secret_field,
};
use crate::rows::{self, ItemPath, Kind, Layout, Wanted};

/// How the rows of one method are read, whatever its arguments.
#[derive(Debug)]
pub struct ReadPlan {
    /// The provider's name.
    pub provider: String,
    /// The service's name.
    pub service: String,
    /// `provider.service.resource`.
    pub table: String,
    /// The method.
    pub method: Arc<Method>,
    /// The columns that come out, in order: those asked for.
    pub schema: SchemaRef,
    /// No more rows than this are needed of each call, after those that are left out.
    pub limit: Option<u64>,
    /// Origins to which the credential may go, where a document on disk takes the place of a shipped one.
    pub restricted: Option<Vec<String>>,
    pub(super) layout: Arc<Layout>,
    pub(super) captures: Captures,
    /// Positions within the decoded columns that identify a row; those beyond `schema` are decoded for that only.
    pub(super) keys: Vec<usize>,
    /// Whether 404 means that there is no such row.
    pub(super) identity: bool,
    /// What tells that one row, where it is known.
    pub(super) object: Option<Identity>,
    /// Said by a reader that has all it asked for: what it does not read is then not left out.
    satisfied: AtomicBool,
    /// Whether the rows of a call were not known to be all.
    doubted: AtomicBool,
    /// Rows to leave out before the first.
    pub(super) skip: u64,
    /// See [`Wants::stopping`].
    pub(super) stopping: Stopping,
    /// The parameter that names the fields wanted, and their names; none where all are.
    fields: Option<(TokenPlace, Value)>,
    /// Asks for the total.
    count: Option<(TokenPlace, Value)>,
}

/// Which of a method's rows a reader wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants {
    /// No more rows than this of each call.
    pub limit: Option<u64>,
    /// Rows to leave out before the first, as if they had been read. Only sensible with one call.
    pub skip: u64,
    /// Whether the total is wanted that an answer states.
    pub total: bool,
    /// Whether rows come with all their fields, because other readers share the answers.
    pub whole: bool,
    /// What it means when the reader stops early.
    pub stopping: Stopping,
}

/// What it means when a reader stops before the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stopping {
    /// Rows are left out.
    #[default]
    LeavesOut,
    /// Nothing, where it has as many rows as its limit: they are all that could matter.
    HasAll,
    /// The reader says it itself.
    OnTrial,
}

/// Where in `Page::captures` each value of the envelope is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Captures {
    pub(super) success: Option<usize>,
    pub(super) rows: Option<usize>,
    pub(super) pages: Option<usize>,
    pub(super) token: Option<usize>,
    pub(super) more: Option<usize>,
    pub(super) incomplete: Option<usize>,
}

/// What a reader asks of a method.
#[derive(Debug, Clone)]
pub struct PlanOptions<'a> {
    /// Columns of the table, by index, that the answer must give.
    pub columns: &'a [usize],
    /// Which rows.
    pub wants: Wants,
    /// The session's settings.
    pub settings: &'a Settings,
    /// See [`ReadPlan::restricted`].
    pub restricted: Option<Vec<String>>,
    /// Parameters whose values rows must hold to pass.
    pub compared: &'a [String],
}

/// The Arrow kind of a value type.
pub fn column_kind(ty: ValueType) -> Kind {
    match ty {
        ValueType::Text => Kind::Text,
        ValueType::Timestamp => Kind::Timestamp,
        ValueType::Integer => Kind::Integer,
        ValueType::Number => Kind::Number,
        ValueType::Boolean => Kind::Boolean,
        ValueType::Object | ValueType::Array => Kind::Json,
        ValueType::Any => Kind::Any,
    }
}

impl ReadPlan {
    /// Why the end of the pages would not be the end of the rows, where that is known beforehand.
    pub(super) fn doubt(&self) -> Option<String> {
        self.method.pagination.is_guess().then(|| {
            format!(
                "`{}` takes an offset and a limit and states no total, so that nothing but an empty page says that these are all",
                self.method.name
            )
        })
    }

    /// Prepares reading `options.columns` of `table` with `method`. Columns that the method's answer lacks are not in the
    /// plan's schema: their value is what was bound, or NULL, and that is the caller's to fill in.
    ///
    /// # Errors
    /// `Provider` when a path of the document cannot be understood.
    pub fn new(table: &Table, method: &Arc<Method>, options: PlanOptions<'_>) -> Result<Self> {
        let typed = options.settings.timestamps == Timestamps::Typed;
        let wanted = |column: usize| {
            let known = &table.columns[column];
            let kind = column_kind(known.ty);
            Wanted {
                field: rows::field(&known.name, kind, typed),
                kind,
                source: known.source.clone(),
                secret: known.secret || tells_secret_field(&known.name),
            }
        };
        let mut columns: Vec<Wanted> = options.columns.iter().map(|column| wanted(*column)).collect();
        let schema = Arc::new(Schema::new(columns.iter().map(|c| c.field.clone()).collect::<Vec<_>>()));

        let mut keys = Vec::new();
        if method.response.items == ItemShape::List
            && let Some(declared) = &table.resource.keys
        {
            let key_columns: Vec<usize> = declared
                .columns
                .values()
                .filter_map(|name| table.columns.iter().position(|column| &column.name == name))
                .filter(|at| method.response.columns.iter().any(|column| column.name == table.columns[*at].name))
                .collect();
            for column in key_columns {
                let at = options.columns.iter().position(|asked| *asked == column).unwrap_or_else(|| {
                    columns.push(wanted(column));
                    columns.len() - 1
                });
                keys.push(at);
            }
        }

        let wants = options.wants;
        let fields = if wants.whole { None } else { fields(method, &columns) };
        let mut paths: Vec<ItemPath> = Vec::new();
        let mut capture = |path: Option<&str>| -> Result<Option<usize>> {
            let Some(path) = path else { return Ok(None) };
            paths.push(ItemPath::parse(path)?);
            Ok(Some(paths.len() - 1))
        };
        let pagination = &method.pagination;
        let total = pagination.total.as_ref();
        let token = match &pagination.kind {
            PageKind::Cursor { from: TokenSource::Body(path), .. } | PageKind::NextUrl { path } => Some(path.as_str()),
            _ => None,
        };
        let more = match &pagination.kind {
            PageKind::Cursor { more, .. } => more.as_deref(),
            _ => None,
        };
        let captures = Captures {
            success: capture(method.success.as_ref().map(|rule| rule.path.as_str()))?,
            rows: capture(total.and_then(|t| t.rows_path()))?,
            pages: capture(total.and_then(|t| t.pages_path()))?,
            token: capture(token)?,
            more: capture(more)?,
            incomplete: capture(pagination.incomplete.as_deref())?,
        };
        let shape = match method.response.items {
            ItemShape::List | ItemShape::Empty | ItemShape::Binary => rows::Shape::List,
            ItemShape::Object => rows::Shape::Object,
            ItemShape::Map => rows::Shape::Map,
            ItemShape::Scalar => rows::Shape::Scalar,
        };
        let row_keys = method.response.columns.iter().map(|column| top_level(column).to_owned()).collect();
        let layout = Layout::new(ItemPath::parse(&method.response.item_path)?, shape, columns)?
            .with_captures(paths)
            .with_strict(options.settings.schema == SchemaMode::Strict)
            .with_row_keys(row_keys);
        Ok(Self {
            provider: table.provider.clone(),
            service: table.service.clone(),
            table: table.id(),
            method: Arc::clone(method),
            schema,
            limit: wants.limit,
            restricted: options.restricted,
            layout: Arc::new(layout),
            captures,
            keys,
            identity: detail_parameter(method).is_some(),
            object: identity_of(table, method, options.compared),
            satisfied: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            skip: wants.skip,
            stopping: wants.stopping,
            fields,
            count: method.pushdown.count.clone().filter(|_| wants.total || wants.limit.is_none() || wants.skip > 0),
        })
    }

    /// Says that the reader has all it asked for, however much it did not read.
    pub(crate) fn satisfy(&self) {
        self.satisfied.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_satisfied(&self) -> bool {
        self.satisfied.load(Ordering::Relaxed)
    }

    /// Says that the rows of a call are not known to be all.
    pub(super) fn mark_doubted(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Whether rows may be missing among those that were read to the end.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }

    /// The page size to ask for: the user's own is in `given`; else the largest that helps.
    pub(super) fn page_size(&self, given: bool) -> Option<u64> {
        self.size_of_pages(given, self.skip > 0)
    }

    fn size_of_pages(&self, given: bool, leaps: bool) -> Option<u64> {
        let size = self.method.pagination.size.as_ref()?;
        if given {
            return None;
        }
        let needed = self.limit.map(|limit| self.fitting_size(size, limit.max(1), leaps));
        match (needed, size.max) {
            (Some(needed), Some(max)) => Some(needed.min(max)),
            (None, max) => max,
            (Some(needed), None) => size.default.filter(|default| needed < *default).map(|_| needed),
        }
    }

    /// The smallest page that holds all the rows that are wanted: from the first on, or as one page among others.
    fn fitting_size(&self, size: &PageSize, limit: u64, leaps: bool) -> u64 {
        /// Sizes that are tried.
        const MOST: u64 = 10_000;
        let from_first = self.skip.saturating_add(limit).max(size.min);
        let largest = size.max.or(size.default).unwrap_or(limit);
        if !leaps || from_first <= largest {
            return from_first;
        }
        let smallest = limit.max(size.min);
        let last = self.skip.saturating_add(limit) - 1;
        let sizes = smallest..=largest.min(smallest.saturating_add(MOST));
        sizes.into_iter().find(|size| self.skip / size == last / size).unwrap_or(largest)
    }
}

impl ReadPlan {
    /// How many rows a page holds that is asked for, where the plan says.
    pub fn asked_page_size(&self) -> Option<u64> {
        self.page_size(false).or_else(|| self.method.pagination.size.as_ref()?.default)
    }

    /// Whether a first page of so many rows may not be the only one: it is as long as was asked for, or nobody knows how long
    /// pages are.
    pub(super) fn is_full_page(&self, call: &Call, rows: u64) -> bool {
        let size = self.method.pagination.size.as_ref();
        let given = size.and_then(|size| self.given(call, &size.parameter)).and_then(Value::as_u64);
        given.or_else(|| self.asked_page_size()).is_none_or(|size| rows >= size)
    }

    /// Whether something tells one row from another.
    pub fn knows_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Rows of the list up to the last that is wanted.
    pub(super) fn end(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_add(self.skip))
    }

    /// The parameter that names the fields wanted, and their names.
    pub fn fields(&self) -> Option<(&str, &Value)> {
        self.fields.as_ref().map(|(place, names)| (place.key.as_str(), names))
    }

    /// What the first request says of itself beside the call: the page size that helps, where the user gave none, how many
    /// rows and which fields are wanted. The first page is what the API gives when no page is named. Where `leaps`, pages
    /// before the first row that is wanted may be left out.
    pub(super) fn first_values(&self, call: &Call, leaps: bool) -> Vec<(TokenPlace, Value)> {
        let own_page = self.is_own_page(call);
        let pagination = &self.method.pagination;
        let size = pagination.size.as_ref().and_then(|size| {
            let given = own_page || self.gives(call, &size.parameter);
            self.size_of_pages(given, leaps).map(|n| (size.parameter.clone(), Value::from(n)))
        });
        // A first look before a leap is one at the list, whose end it must not move.
        let looks = leaps && self.method.pushdown.skip.is_some();
        let top = if looks { None } else { self.top(self.end()) };
        let asked = top.into_iter().chain(self.count.clone()).filter(|_| !own_page).chain(self.fields.clone());
        size.into_iter().chain(asked.filter(|(place, _)| !self.gives(call, place))).collect()
    }

    /// The parameter of the number of rows that are wanted of all pages together.
    fn top(&self, rows: Option<u64>) -> Option<(TokenPlace, Value)> {
        let top = self.method.pushdown.top.as_ref()?;
        let rows = rows.filter(|rows| top.max.is_none_or(|max| *rows <= max))?;
        Some((top.place.clone(), Value::from(rows)))
    }

    /// What a request says that begins behind `start` rows, where the API takes that beside following its links.
    pub(super) fn leap_values(&self, call: &Call, start: u64) -> Option<Vec<(TokenPlace, Value)>> {
        let skip = self.method.pushdown.skip.as_ref()?;
        let mut values = self.first_values(call, true);
        values.push((skip.clone(), Value::from(start)));
        // Behind the end of the list, the number of rows that come proves that it is the end.
        values.extend(self.top(self.limit).filter(|_| start == self.skip));
        Some(values)
    }

    /// Whether the user asks for one page: then exactly that page is read.
    pub fn is_own_page(&self, call: &Call) -> bool {
        /// Parameters that move the start of a list, where its paging goes by links.
        const STARTS: [&str; 9] =
            ["page", "offset", "cursor", "start", "skip", "after", "before", "marker", "pagetoken"];
        match &self.method.pagination.kind {
            PageKind::Page { parameter, .. } | PageKind::Offset { parameter } | PageKind::Cursor { parameter, .. } => {
                self.gives(call, parameter)
            }
            PageKind::NextUrl { .. } | PageKind::LinkHeader | PageKind::Unknown => {
                call.arguments.keys().any(|name| STARTS.contains(&fold_name(name).as_str()))
            }
            PageKind::Single => false,
        }
    }

    fn gives(&self, call: &Call, place: &TokenPlace) -> bool {
        self.given(call, place).is_some()
    }

    /// What the user says there.
    fn given<'c>(&self, call: &'c Call, place: &TokenPlace) -> Option<&'c Value> {
        let is_there = |name: &String| {
            let parameter = self.method.parameters.iter().find(|p| &p.name == name);
            parameter.is_some_and(|p| place.is_at(p.location, &p.wire))
        };
        call.arguments.iter().chain(&call.body).find(|(name, _)| is_there(name)).map(|(_, value)| value)
    }
}

/// The fields to ask for, where the document says how and they are not all that there are.
fn fields(method: &Method, columns: &[Wanted]) -> Option<(TokenPlace, Value)> {
    let projection = method.pushdown.projection.as_ref()?;
    let mut names: Vec<&str> = Vec::new();
    for name in columns.iter().filter_map(|column| column.source.first()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let all: Vec<&str> = method.response.columns.iter().map(top_level).collect();
    let may_ask = |name: &str| projection.columns.as_ref().is_none_or(|known| known.iter().any(|known| known == name));
    if names.is_empty() {
        // Rows are counted: any field will do.
        names.extend(all.iter().copied().find(|name| may_ask(name)));
    }
    let fewer = all.iter().any(|name| !names.contains(name));
    let sayable = names.iter().all(|name| may_ask(name) && !name.contains(projection.delimiter.as_str()));
    (fewer && sayable && !names.is_empty())
        .then(|| (projection.place.clone(), Value::from(names.join(&projection.delimiter))))
}

/// The field of an item in which a column's value stands.
pub(super) fn top_level(column: &Column) -> &str {
    column.source.as_ref().and_then(|path| path.first()).unwrap_or(&column.name)
}

/// The parameter that tells the one object which the method answers: the last step of its path.
fn detail_parameter(method: &Method) -> Option<&Parameter> {
    method.last_in_path().filter(|_| method.response.items == ItemShape::Object)
}

/// The field that says which object an answer is, where the document says so or rows are `compared` with what the parameter
/// was given.
fn identity_of(table: &Table, method: &Method, compared: &[String]) -> Option<Identity> {
    let parameter = detail_parameter(method)?;
    let keys = table.resource.keys.as_ref()?;
    let column = keys.columns.get(&parameter.name)?;
    let field = method.response.columns.iter().find(|known| &known.name == column)?;
    let compared = compared.contains(&parameter.name);
    (compared || keys.declared).then(|| Identity {
        parameter: parameter.name.clone(),
        column: column.clone(),
        source: field.source.clone().unwrap_or_else(|| vec![column.clone()]),
        compared,
        secret: field.secret || parameter.secret || tells_secret_field(column),
    })
}
