//! Digests written by hand, and what tests ask with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use indexmap::IndexMap;
use serde_json::Value;

use crate::clock::Clock;
use crate::provider::{
    Auth, Column, Effect, ErrorPaths, HmacAuth, HmacHash, ItemShape, Keys, Location, Method, PageKind, PageSize,
    Pagination, Parameter, Placed, Pushdown, Resource, ResponseShape, Service, SignatureEncoding, Style, TokenPlace,
    ValueType, Verbs,
};

/// A clock that only the test moves; it notes how long it was asked to sleep.
#[derive(Debug)]
pub(super) struct StillClock {
    pub(super) slept: std::sync::Mutex<Vec<Duration>>,
    passed: std::sync::Mutex<Duration>,
    begin: Instant,
}

impl StillClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can be had no other way; it is never compared with another"
    )]
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            slept: std::sync::Mutex::default(),
            passed: std::sync::Mutex::default(),
            begin: Instant::now(),
        })
    }

    /// Moves it by hand.
    pub(super) fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> Instant {
        self.begin
    }

    fn utc(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000) + *self.passed.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

pub(super) fn column(name: &str, ty: ValueType) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        format: None,
        description: String::new(),
        values: Vec::new(),
        secret: false,
        source: None,
    }
}

pub(super) fn parameter(name: &str, location: Location, ty: ValueType) -> Parameter {
    Parameter {
        name: name.to_owned(),
        wire: name.to_owned(),
        location,
        required: location == Location::Path,
        ty,
        style: Style::Simple,
        explode: false,
        default: None,
        values: Vec::new(),
        minimum: None,
        maximum: None,
        description: String::new(),
        column: None,
        env: None,
        secret: false,
        text_only: false,
    }
}

/// `GET` of a list at the top of the answer, without authentication and paging.
pub(super) fn method(path: &str) -> Method {
    let path_parameters = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| parameter(name, Location::Path, ValueType::Text));
    Method {
        name: "list".to_owned(),
        aliases: Vec::new(),
        operation_id: None,
        description: String::new(),
        http_method: "GET".to_owned(),
        server: "https://api.example.com".to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        parameters: path_parameters.collect(),
        request: None,
        response: ResponseShape {
            media_type: "application/json".to_owned(),
            item_path: "$".to_owned(),
            items: ItemShape::List,
            columns: Vec::new(),
            success_status: None,
            may_be_empty: false,
        },
        pagination: Pagination { kind: PageKind::Single, declared: true, ..Pagination::unknown() },
        effect: Effect::Read,
        partial: false,
        auth: Auth::None,
        pushdown: Pushdown::default(),
        graphql: false,
        rate_limit: None,
        success: None,
        error: ErrorPaths::default(),
        waiting: None,
        idempotency_key: None,
        upload: None,
    }
}

pub(super) fn resource(service: &str, name: &str, methods: impl IntoIterator<Item = Method>) -> Resource {
    let methods: IndexMap<String, Arc<Method>> =
        methods.into_iter().map(|method| (method.name.clone(), Arc::new(method))).collect();
    let select =
        methods.values().filter(|method| method.effect == Effect::Read).map(|method| method.name.clone()).collect();
    Resource {
        id: format!("p.{service}.{name}"),
        name: name.to_owned(),
        title: String::new(),
        description: String::new(),
        methods,
        verbs: Verbs { select, ..Verbs::default() },
        keys: None,
        sandbox: None,
        view: false,
    }
}

pub(super) fn service(name: &str, resources: impl IntoIterator<Item = Resource>) -> Service {
    let resources = resources.into_iter().map(|resource| (resource.name.clone(), Arc::new(resource))).collect();
    Service { provider: "p".to_owned(), name: name.to_owned(), resources }
}

pub(super) fn keys(pairs: &[(&str, &str)]) -> Keys {
    let columns = pairs.iter().map(|(parameter, column)| ((*parameter).to_owned(), (*column).to_owned())).collect();
    Keys { columns, declared: true }
}

pub(super) fn in_query(key: &str) -> TokenPlace {
    TokenPlace { location: Location::Query, key: key.to_owned() }
}

pub(super) fn page_size(key: &str, min: u64, max: Option<u64>, default: Option<u64>) -> PageSize {
    PageSize { parameter: in_query(key), min, max, default }
}

/// The signing rule of `LunaNode`.
pub(super) fn luna_hmac() -> HmacAuth {
    let placed =
        |name: &str, value: &str| Placed { location: Location::Body, name: name.to_owned(), value: value.to_owned() };
    HmacAuth {
        id_variable: "LUNANODE_API_ID".to_owned(),
        key_variable: "LUNANODE_API_KEY".to_owned(),
        hash: HmacHash::Sha512,
        encoding: SignatureEncoding::Hex,
        message: "{path}|{body}|{timestamp}".to_owned(),
        envelope: BTreeMap::from([
            ("api_id".to_owned(), "{id}".to_owned()),
            ("api_partialkey".to_owned(), "{key:0:64}".to_owned()),
        ]),
        place: vec![placed("req", "{body}"), placed("signature", "{signature}"), placed("nonce", "{timestamp}")],
    }
}

/// What stands at a JSON pointer.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
