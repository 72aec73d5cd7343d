//! The digest: what SQL needs of a provider, and nothing else.
//!
//! Plain data, serialisable, made once per service by `load`; everything above works on these types and never
//! sees YAML.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pushdown::Pushdown;
use super::response::{is_json, is_xml};
use super::waiting::Waiting;
use crate::error::{Error, ErrorKind, Result};

mod auth;

pub use auth::*;

/// Digests leave out what most methods, parameters and columns do not say: half of their size, and of the time to read
/// them.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A provider: its names, where its services are, how it authenticates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// The name in SQL.
    pub name: String,
    /// The documents' version, as written.
    pub version: String,
    /// A title for people.
    pub title: String,
    /// One line about it.
    pub description: String,
    /// Services by their name in SQL, in the document's order.
    pub services: IndexMap<String, ServiceEntry>,
    /// How calls are authenticated, where no service or method says otherwise.
    pub auth: Auth,
}

/// What `provider.yaml` says of a service, without its document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceEntry {
    /// Its id, such as `images:v1`.
    pub id: String,
    /// The name in SQL.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// The document's version.
    pub version: String,
    /// One line about it.
    pub description: String,
    /// Where its document is, relative to the directory that holds the provider's directory.
    pub path: String,
}

/// The digest of one service document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The provider's name in SQL.
    pub provider: String,
    /// The service's name in SQL.
    pub name: String,
    /// Resources by their name in SQL, in the document's order.
    pub resources: IndexMap<String, Arc<Resource>>,
}

/// Something that can be selected from, and perhaps written: a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// `provider.service.resource`.
    pub id: String,
    /// The name in SQL.
    pub name: String,
    /// A title for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: String,
    /// One line about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// Methods by name, in the document's order.
    pub methods: IndexMap<String, Arc<Method>>,
    /// Which methods serve which SQL verb, in the document's order.
    pub verbs: Verbs,
    /// The identity of one row, where known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keys: Option<Keys>,
    /// What the sandbox should know to make plausible rows: see `docs/providers.md`, key `sandbox`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sandbox: Option<Value>,
    /// Whether the document gives it as a view, in SQL of StackQL's own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub view: bool,
}

/// Method names per SQL verb; a method in none of them is for `EXEC`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verbs {
    /// `SELECT`
    pub select: Vec<String>,
    /// `INSERT`
    pub insert: Vec<String>,
    /// `UPDATE`
    pub update: Vec<String>,
    /// `REPLACE`
    pub replace: Vec<String>,
    /// `DELETE`
    pub delete: Vec<String>,
}

/// The identity of one row: every path parameter of the detail method and the column that holds its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Parameter → column.
    pub columns: IndexMap<String, String>,
    /// Whether the document says so; inferred keys serve reads only.
    pub declared: bool,
}

/// What a method does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing; it may be repeated.
    Read,
    /// It creates or changes.
    Write,
    /// It removes.
    Delete,
}

/// One operation of an API: how to call it and what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The name in SQL.
    pub name: String,
    /// Further names.
    #[serde(default, skip_serializing_if = "is_default")]
    pub aliases: Vec<String>,
    /// The document's `operationId`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operation_id: Option<String>,
    /// One line about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// `GET`, `POST`, …
    pub http_method: String,
    /// The base of its URL. Variables in braces are parameters of location [`Location::Server`]; braces hold the
    /// bare variable name, without a regular expression.
    pub server: String,
    /// The path template, without a query string: `/images/{imageId}`.
    pub path: String,
    /// Constant query pairs written inside the document's path key, already without dropped ones.
    #[serde(default, skip_serializing_if = "is_default")]
    pub query: Vec<(String, String)>,
    /// Parameters of every location, body fields included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parameters: Vec<Parameter>,
    /// What is sent as body; `None` when the method takes none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub request: Option<RequestBody>,
    /// What comes back.
    pub response: ResponseShape,
    /// How its pages follow one another.
    pub pagination: Pagination,
    /// What it does to the world.
    pub effect: Effect,
    /// A PUT that leaves unnamed fields alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub partial: bool,
    /// How its calls are authenticated.
    pub auth: Auth,
    /// The API's published limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rate_limit: Option<RateLimit>,
    /// When a 200 is a success.
    #[serde(default, skip_serializing_if = "is_default")]
    pub success: Option<SuccessRule>,
    /// Where an error answer says what went wrong.
    pub error: ErrorPaths,
    /// How what it starts is waited for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub waiting: Option<Waiting>,
    /// What makes its calls safe to send twice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idempotency_key: Option<super::IdempotencyKey>,
    /// The second step of an upload, where the answer only says where the file goes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub upload: Option<super::UploadStep>,
    /// What a list takes beside its parameters.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pushdown: Pushdown,
    /// Whether the document asks for it by GraphQL, so that there is no call of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub graphql: bool,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// Into the path.
    Path,
    /// Into the query string.
    Query,
    /// Into a header.
    Header,
    /// Into a cookie.
    Cookie,
    /// Into the server's URL.
    Server,
    /// Into the request body, as a top-level field.
    Body,
}

impl Location {
    /// Whether two names on the wire are one there: case counts for nothing in those of headers (RFC 9110, 5.1).
    pub fn same_name(self, a: &str, b: &str) -> bool {
        if self == Self::Header { a.eq_ignore_ascii_case(b) } else { a == b }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Server => "server",
            Self::Body => "body",
        })
    }
}

/// What a method can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a document states")]
pub struct Parameter {
    /// The name in SQL. For body fields the plain property name; `data__name` is accepted as well.
    pub name: String,
    /// The name on the wire.
    pub wire: String,
    /// Where it goes.
    pub location: Location,
    /// Whether a call needs it. A required parameter with a default is satisfied by the default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
    /// The type of its value.
    pub ty: ValueType,
    /// OpenAPI `style`, resolved to the location's default.
    pub style: Style,
    /// OpenAPI `explode`, resolved to the style's default.
    pub explode: bool,
    /// The value used when none is given. For optional query parameters it is only shown, not sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default: Option<Value>,
    /// The values it may take, when it is an enumeration.
    #[serde(default, skip_serializing_if = "is_default")]
    pub values: Vec<Value>,
    /// The smallest value.
    #[serde(default, skip_serializing_if = "is_default")]
    pub minimum: Option<f64>,
    /// The largest value.
    #[serde(default, skip_serializing_if = "is_default")]
    pub maximum: Option<f64>,
    /// One line about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// Whether a column of the same name means the same thing: see `docs/providers.md`, key `column`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub column: Option<bool>,
    /// The environment variable that supplies a server variable.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Option<String>,
    /// Whether its value must never be shown or stored.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secret: bool,
    /// An object or array is sent as JSON text: parameters by `content`, and body fields that say `x-stackQL-stringOnly`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text_only: bool,
}

impl Parameter {
    /// What is sent where no value is given. Optional query defaults are the API's own business; header defaults (API
    /// versions) must be sent.
    pub fn sent_by_default(&self) -> Option<&Value> {
        let is_sent = self.required || matches!(self.location, Location::Header | Location::Path);
        self.default.as_ref().filter(|_| is_sent)
    }
}

/// OpenAPI parameter styles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Style {
    /// `a,b`
    Simple,
    /// `.a.b`
    Label,
    /// `;x=a;x=b`
    Matrix,
    /// `x=a&x=b`
    Form,
    /// `x=a%20b`
    SpaceDelimited,
    /// `x=a|b`
    PipeDelimited,
    /// `x[k]=a`
    DeepObject,
}

/// The type of a value, as far as SQL can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// Text.
    Text,
    /// A point in time, which APIs write as text (RFC 3339 or near it).
    Timestamp,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An object: JSON text in SQL.
    Object,
    /// An array: JSON text in SQL.
    Array,
    /// Anything: JSON text in SQL, but a plain string stays as it is.
    Any,
}

impl ValueType {
    /// The OpenAPI word, as `DESCRIBE` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Timestamp => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Object => "object",
            Self::Array => "array",
            Self::Any => "any",
        }
    }

    /// Whether its SQL form is JSON text.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Object | Self::Array | Self::Any)
    }
}

/// A request body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts that documents state one by one")]
pub struct RequestBody {
    /// How it is written.
    pub media: BodyMedia,
    /// The `Content-Type`.
    pub content_type: String,
    /// Whether a call needs one.
    pub required: bool,
    /// Constants merged under the user's fields.
    pub base: Option<Value>,
    /// Whether the document's own spelling of body columns has the `data__` prefix (both are accepted).
    pub prefixed: bool,
    /// Whether fields that the schema does not name are allowed.
    pub open: bool,
    /// The type of the whole, where the document says it.
    pub ty: Option<ValueType>,
    /// Fields that hold files, by name.
    pub files: Vec<String>,
    /// Whether something in it is a secret: given as one value, it is hidden as a whole.
    pub secret: bool,
}

/// How a request body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyMedia {
    /// One JSON object.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// Raw bytes.
    Bytes,
    /// One XML element.
    Xml,
}

/// What a method answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseShape {
    /// The media type the document expects.
    pub media_type: String,
    /// JSONPath (subset of RFC 9535) of the row or the rows; `$` is the whole answer.
    pub item_path: String,
    /// What stands at `item_path`.
    pub items: ItemShape,
    /// The fields of one row.
    pub columns: Vec<Column>,
    /// The status of a success, where the document names one.
    pub success_status: Option<u16>,
    /// Whether the document lists 204: a success that holds nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub may_be_empty: bool,
}

/// What stands at the item path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemShape {
    /// An array of objects: each is a row.
    List,
    /// One object: it is the row.
    Object,
    /// An object whose values are the rows; the key becomes the column `key`.
    Map,
    /// One value or an array of values that are not objects: the column is `value`.
    Scalar,
    /// Bytes, not JSON.
    Binary,
    /// Nothing.
    Empty,
}

/// A field of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, in the API's spelling.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
    /// OpenAPI `format`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: Option<String>,
    /// One line about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// The values it may take, when it is an enumeration.
    #[serde(default, skip_serializing_if = "is_default")]
    pub values: Vec<Value>,
    /// Whether it must never be shown or stored.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secret: bool,
    /// Where the value stands within the item, when not under its own name: a path of keys.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<Vec<String>>,
}

impl Column {
    /// Its value in an item; `None` where that is null as well.
    pub fn value_in<'a>(&self, item: &'a Value) -> Option<&'a Value> {
        let own = std::slice::from_ref(&self.name);
        let mut keys = self.source.as_deref().unwrap_or(own).iter();
        keys.try_fold(item, |value, key| value.get(key)).filter(|value| !value.is_null())
    }
}

/// How pages follow one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pagination {
    /// The way.
    pub kind: PageKind,
    /// The page-size parameter.
    pub size: Option<PageSize>,
    /// Where an answer states its total.
    pub total: Option<Total>,
    /// Whether the document says so, or it was inferred.
    pub declared: bool,
    /// Whether the stated number of rows is that of the rows that reading all pages gives: then they need not be read to
    /// be counted.
    pub exact: bool,
    /// Whether only a name in the answer's schema says that the stated number of rows is that of all.
    pub total_is_guessed: bool,
    /// JSONPath of a flag by which an answer says that it does not hold all that was found, where the API has one
    /// (`incomplete_results`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub incomplete: Option<String>,
}

impl Pagination {
    /// One answer, of which nothing says that it is all.
    pub fn unknown() -> Self {
        Self {
            kind: PageKind::Unknown,
            size: None,
            total: None,
            declared: false,
            exact: false,
            total_is_guessed: false,
            incomplete: None,
        }
    }
}

/// The ways of paging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageKind {
    /// The document says that one answer is everything, or the answer is one object.
    Single,
    /// Nothing is known.
    Unknown,
    /// A page number from `first` goes into a parameter.
    Page {
        /// The parameter.
        parameter: TokenPlace,
        /// The first page's number.
        first: u64,
    },
    /// The number of rows to skip goes into a parameter.
    Offset {
        /// The parameter.
        parameter: TokenPlace,
    },
    /// A token from the answer goes into the next request.
    Cursor {
        /// Where the token comes from.
        from: TokenSource,
        /// Where it goes.
        parameter: TokenPlace,
        /// JSONPath of a flag that says whether there is more, where the API has one (`has_more`).
        more: Option<String>,
    },
    /// The answer's body holds the next page's URL.
    NextUrl {
        /// JSONPath of the URL.
        path: String,
    },
    /// The answer's `Link` header holds it, `rel="next"` (RFC 8288).
    LinkHeader,
}

impl PageKind {
    /// The kind as the documents write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Single => "none",
            Self::Unknown => "unknown",
            Self::Page { .. } => "page",
            Self::Offset { .. } => "offset",
            Self::Cursor { .. } => "cursor",
            Self::NextUrl { .. } => "next_url",
            Self::LinkHeader => "link_header",
        }
    }
}

/// Where a paging value goes: a query parameter, a header or a body field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPlace {
    /// `Query`, `Header` or `Body`.
    pub location: Location,
    /// The name on the wire.
    pub key: String,
}

impl TokenPlace {
    /// Whether a value there takes the place of what has this name in that location.
    pub fn is_at(&self, location: Location, name: &str) -> bool {
        self.location == location && location.same_name(&self.key, name)
    }
}

/// Where a paging token comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenSource {
    /// A JSONPath in the body.
    Body(String),
    /// A header.
    Header(String),
}

/// The page-size parameter and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSize {
    /// Where it goes.
    pub parameter: TokenPlace,
    /// The smallest size the API takes.
    pub min: u64,
    /// The largest; `None` when not known: then the API's own default is used unless a LIMIT needs less.
    pub max: Option<u64>,
    /// The size when none is asked for.
    pub default: Option<u64>,
}

/// Where an answer states its total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Total {
    /// JSONPath of the number of rows.
    Rows(String),
    /// JSONPath of the number of pages.
    Pages(String),
    /// Both.
    Both {
        /// JSONPath of the number of rows.
        rows: String,
        /// JSONPath of the number of pages.
        pages: String,
    },
}

impl Total {
    /// The JSONPath of the number of rows, where stated.
    pub fn rows_path(&self) -> Option<&str> {
        match self {
            Self::Rows(path) | Self::Both { rows: path, .. } => Some(path),
            Self::Pages(_) => None,
        }
    }

    /// The JSONPath of the number of pages, where stated.
    pub fn pages_path(&self) -> Option<&str> {
        match self {
            Self::Pages(path) | Self::Both { pages: path, .. } => Some(path),
            Self::Rows(_) => None,
        }
    }
}

/// The API's published limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests allowed per period.
    pub requests: Option<u64>,
    /// The period, in seconds.
    pub per_seconds: Option<f64>,
    /// Requests allowed at once.
    pub concurrency: Option<u64>,
    /// The header that says how many requests are left.
    pub remaining_header: Option<String>,
    /// The header that says when the period ends: seconds from now, or a Unix time.
    pub reset_header: Option<String>,
}

/// When a 200 is a success: the value at `path` equals `equals`. An absent value is a success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuccessRule {
    /// JSONPath.
    pub path: String,
    /// The value that means success.
    pub equals: Value,
}

/// Where an error answer says what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPaths {
    /// JSONPath of the message.
    pub message: Option<String>,
    /// JSONPath of a code.
    pub code: Option<String>,
}

impl ResponseShape {
    /// Whether answers are JSON by what the document says: of a type that says so, or of one of the API's own whose schema
    /// has fields.
    pub(crate) fn is_json(&self) -> bool {
        let has_fields = !matches!(self.items, ItemShape::Binary | ItemShape::Empty);
        is_json(&self.media_type) || has_fields && !self.is_open() && !is_xml(&self.media_type)
    }

    /// Whether answers may be of any type.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.media_type.as_str(), "" | "*/*" | "application/*")
    }
}

impl Resource {
    /// The methods of a verb, in the document's order.
    pub fn methods_of<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = &'a Arc<Method>> + 'a {
        names.iter().filter_map(|name| self.methods.get(name))
    }

    /// Finds a method by name or alias: exactly, else without regard to case and separators if that is unambiguous.
    pub fn method(&self, name: &str) -> Option<&Arc<Method>> {
        let by_exact = self.methods.get(name);
        let by_alias = || self.methods.values().find(|m| m.aliases.iter().any(|a| a == name));
        by_exact.or_else(by_alias).or_else(|| {
            let folded = crate::error::fold_name(name);
            let mut found = self.methods.values().filter(|m| {
                std::iter::once(&m.name).chain(&m.aliases).any(|known| crate::error::fold_name(known) == folded)
            });
            let first = found.next();
            if found.next().is_some() { None } else { first }
        })
    }

    /// The verb a method serves, in capitals, `EXEC` when none.
    pub fn verb_of(&self, method: &str) -> &'static str {
        let verbs = &self.verbs;
        let has = |names: &[String]| names.iter().any(|name| name == method);
        if has(&verbs.select) {
            "SELECT"
        } else if has(&verbs.insert) {
            "INSERT"
        } else if has(&verbs.update) {
            "UPDATE"
        } else if has(&verbs.replace) {
            "REPLACE"
        } else if has(&verbs.delete) {
            "DELETE"
        } else {
            "EXEC"
        }
    }
}

impl Method {
    /// The parameter of that SQL name, without regard to case and separators where that is unambiguous. Body fields
    /// are found last, and also as `data__name`.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        let exact = |name: &str| {
            let mut all = self.parameters.iter().filter(|p| p.name == name);
            let first = all.next();
            match first {
                Some(p) if p.location == Location::Body => all.find(|p| p.location != Location::Body).or(Some(p)),
                other => other,
            }
        };
        if let Some(field) = name.strip_prefix("data__") {
            return self.parameters.iter().find(|p| p.location == Location::Body && p.name == field);
        }
        exact(name).or_else(|| {
            let folded = crate::error::fold_name(name);
            let mut found = self.parameters.iter().filter(|p| crate::error::fold_name(&p.name) == folded);
            let first = found.next()?;
            if found.next().is_some() { None } else { Some(first) }
        })
    }

    /// Refuses a method that no call can be made of; `id` is its resource's.
    ///
    /// # Errors
    /// `Unsupported` when the document asks for it by GraphQL.
    pub(crate) fn check_callable(&self, id: &str) -> Result<()> {
        if !self.graphql {
            return Ok(());
        }
        let service = id.rsplit_once('.').map_or(id, |(service, _)| service);
        let message = format!("`{}` of `{id}` asks the API by GraphQL, which is not supported", self.name);
        Err(Error::new(ErrorKind::Unsupported, message)
            .hint(format!("nothing was sent; `SHOW RESOURCES IN {service}` lists what else there is")))
    }

    /// Refuses to read rows with a method whose answers hold none; `id` is its resource's.
    ///
    /// # Errors
    /// `Unsupported` when it cannot be called, or answers with bytes or XML.
    pub(crate) fn check_readable(&self, id: &str) -> Result<()> {
        self.check_callable(id)?;
        let media = &self.response.media_type;
        let what = match self.response.items {
            ItemShape::Binary => "bytes",
            ItemShape::List | ItemShape::Object | ItemShape::Map | ItemShape::Scalar if is_xml(media) => "XML",
            _ => return Ok(()),
        };
        let message =
            format!("`{}` of `{id}` answers with {what} (`{media}`), which cannot be read as rows", self.name);
        Err(Error::new(ErrorKind::Unsupported, message)
            .hint(format!("nothing was sent; `EXEC {id}.{} … INTO 'file'` writes the answer into a file", self.name)))
    }

    /// `GET https://host/path/{parameter}`: for people.
    pub fn url_template(&self) -> String {
        format!("{}{}", self.server.trim_end_matches('/'), self.path)
    }

    /// The parameter in which the path ends: it names the one object that a call is about.
    pub fn last_in_path(&self) -> Option<&Parameter> {
        let last = self.path.trim_end_matches('/').rsplit('/').next()?.strip_prefix('{')?.strip_suffix('}')?;
        self.parameters.iter().find(|p| p.location == Location::Path && p.wire == last)
    }

    /// Parameters without which no call can be made: required, and no default or environment variable supplies them.
    pub fn needs(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|p| p.required && p.default.is_none() && p.env.is_none())
    }
}
