//! Where uploads go: a URL of the same origin that takes bytes once, and no credential.

use std::time::SystemTime;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Method as HttpMethod, StatusCode};
use serde_json::Map;
use url::Url;

use super::access::Credentials;
use super::change::{Upload, millis};
use super::refusal::Refusal;
use super::rows::{self, Said};
use super::state::State;
use super::words;

/// What every path of an upload begins with.
const PATH: &str = "/sandbox-uploads/";

/// The URL of an upload, on the origin that the client asked.
pub(super) fn url(asked: &Url, token: &str) -> String {
    let mut url = asked.clone();
    url.set_path(&format!("{PATH}{token}"));
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The token, if the path is that of an upload.
pub(super) fn token(path: &str) -> Option<&str> {
    path.strip_prefix(PATH)
}

/// A request that uploads, without its bytes.
pub(super) struct Head<'a> {
    pub(super) method: &'a HttpMethod,
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
}

/// Whether an upload may begin.
///
/// # Errors
/// 405 for anything but PUT, 400 when a credential comes along, in whatever header or in the URL: the host that takes
/// bytes has no business knowing it.
/// 404 for an unknown token, 409 for one that was used.
pub(super) fn admit(state: &State, credentials: &Credentials, token: &str, head: &Head<'_>) -> Result<(), Refusal> {
    if head.method != HttpMethod::PUT {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"));
    }
    let refused = |what: &str| {
        let message = format!("An upload takes no credential: {what} does not belong here");
        Err(Refusal::bad_request(&message))
    };
    if head.headers.contains_key(AUTHORIZATION) || head.headers.contains_key(COOKIE) {
        return refused("the Authorization or Cookie header");
    }
    for (variable, value) in credentials.iter().filter(|(_, value)| !value.is_empty()) {
        let holds = |text: &[u8]| text.windows(value.len()).any(|part| part == value.as_bytes());
        if head.headers.values().any(|header| holds(header.as_bytes())) || holds(head.url.as_str().as_bytes()) {
            return refused(variable);
        }
    }
    match state.held().uploads.get(token) {
        None => Err(Refusal::not_found()),
        Some(Upload { done: true, .. }) => Err(Refusal::new(StatusCode::CONFLICT, "The upload was made already")),
        Some(_) => Ok(()),
    }
}

/// Takes so many bytes for whole.
///
/// # Errors
/// As [`admit`], for what happened in the meantime; 400 for no bytes at all.
pub(super) fn finish(state: &State, token: &str, length: u64, now: SystemTime) -> Result<(), Refusal> {
    if length == 0 {
        return Err(Refusal::bad_request("The upload is empty"));
    }
    let upload = {
        let mut held = state.held();
        let upload = held.uploads.get_mut(token).ok_or_else(Refusal::not_found)?;
        if upload.done {
            return Err(Refusal::new(StatusCode::CONFLICT, "The upload was made already"));
        }
        upload.done = true;
        upload.clone()
    };
    let table = state.table(&upload.table).ok_or_else(Refusal::not_found)?;
    let rows = state.rows(&upload.table);
    let row = rows.iter().find(|row| row.number == upload.number).ok_or_else(Refusal::not_found)?;
    let nothing = Map::new();
    let others = state.others(table);
    let mut values = Map::new();
    if let Some(action) = table.recipe.writes.actions.get(&upload.method) {
        let said = Said { given: &nothing, makers: &action.then, body: &nothing, uploaded: length };
        values = rows::remake(&state.ground(table, &others), row, &said);
    }
    let seconds = i64::try_from(millis(now) / 1000).unwrap_or(i64::MAX);
    for column in table.columns.iter().filter(|column| words::is_update_time(&column.name)) {
        let time = rows::time_of(seconds, column, table.recipe.columns.get(&column.name));
        values.insert(column.name.clone(), time);
    }
    state.set(table, upload.number, values).map(|_| ()).map_err(|_| Refusal::not_found())
}
