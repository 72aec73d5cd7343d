//! What a read needs to know before its first request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{Schema, SchemaRef};
use serde_json::Value;

use crate::bind::Table;
use crate::config::{SchemaMode, Settings, Timestamps};
use crate::error::{Result, fold_name};
use crate::provider::{Call, ItemShape, Location, Method, PageKind, TokenPlace, TokenSource, ValueType};
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
    /// No more rows than this are needed of each call.
    pub limit: Option<u64>,
    /// Origins to which the credential may go, where a document on disk takes the place of a shipped one.
    pub restricted: Option<Vec<String>>,
    pub(super) layout: Arc<Layout>,
    pub(super) captures: Captures,
    /// Positions within the decoded columns that identify a row; those beyond `schema` are decoded for that only.
    pub(super) keys: Vec<usize>,
    /// Whether 404 means that there is no such row.
    pub(super) identity: bool,
    /// Said by a reader that has all it asked for: what it does not read is then not left out.
    satisfied: AtomicBool,
}

/// Where in `Page::captures` each value of the envelope is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Captures {
    pub(super) success: Option<usize>,
    pub(super) rows: Option<usize>,
    pub(super) pages: Option<usize>,
    pub(super) token: Option<usize>,
    pub(super) more: Option<usize>,
}

/// What a reader asks of a method.
#[derive(Debug, Clone)]
pub struct PlanOptions<'a> {
    /// Columns of the table, by index, that the answer must give.
    pub columns: &'a [usize],
    /// No more rows than this are needed of each call.
    pub limit: Option<u64>,
    /// The session's settings.
    pub settings: &'a Settings,
    /// See [`ReadPlan::restricted`].
    pub restricted: Option<Vec<String>>,
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
                secret: known.secret,
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
        };
        let shape = match method.response.items {
            ItemShape::List | ItemShape::Empty | ItemShape::Binary => rows::Shape::List,
            ItemShape::Object => rows::Shape::Object,
            ItemShape::Map => rows::Shape::Map,
            ItemShape::Scalar => rows::Shape::Scalar,
        };
        let row_keys = method.response.columns.iter().map(|column| column.name.clone()).collect();
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
            limit: options.limit,
            restricted: options.restricted,
            layout: Arc::new(layout),
            captures,
            keys,
            identity: is_detail(method),
            satisfied: AtomicBool::new(false),
        })
    }

    /// Says that the reader has all it asked for, however much it did not read.
    pub(crate) fn satisfy(&self) {
        self.satisfied.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_satisfied(&self) -> bool {
        self.satisfied.load(Ordering::Relaxed)
    }

    /// The page size to ask for: the user's own is in `given`; else the largest that helps.
    pub(super) fn page_size(&self, given: bool) -> Option<u64> {
        let size = self.method.pagination.size.as_ref()?;
        if given {
            return None;
        }
        let needed = self.limit.map(|limit| limit.max(1).max(size.min));
        match (needed, size.max) {
            (Some(needed), Some(max)) => Some(needed.min(max)),
            (None, max) => max,
            (Some(needed), None) => size.default.filter(|default| needed < *default).map(|_| needed),
        }
    }
}

impl ReadPlan {
    /// How many rows a page holds that is asked for, where the plan says.
    pub fn asked_page_size(&self) -> Option<u64> {
        self.page_size(false).or_else(|| self.method.pagination.size.as_ref()?.default)
    }

    /// The paging values of the first request: the page size that helps, where the user gave none. The first page is what
    /// the API gives when no page is named.
    pub(super) fn first_values(&self, call: &Call) -> Vec<(TokenPlace, Value)> {
        let Some(size) = &self.method.pagination.size else { return Vec::new() };
        let given = self.is_own_page(call) || self.gives(call, &size.parameter);
        self.page_size(given).map(|n| (size.parameter.clone(), Value::from(n))).into_iter().collect()
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
        call.arguments.keys().chain(call.body.keys()).any(|name| {
            let parameter = self.method.parameters.iter().find(|p| &p.name == name);
            parameter.is_some_and(|p| p.location == place.location && p.wire == place.key)
        })
    }
}

/// Whether the method answers one object that its path identifies.
fn is_detail(method: &Method) -> bool {
    let last = method.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let in_path = method.parameters.iter().any(|p| p.location == Location::Path && last == format!("{{{}}}", p.wire));
    in_path && method.response.items == ItemShape::Object
}
