//! Where uploads go: a URL of the same origin that takes bytes once, and no credential.

use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method as HttpMethod, StatusCode};
use serde_json::Map;
use url::Url;

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

/// Whether an upload may begin.
///
/// # Errors
/// 405 for anything but PUT, 400 when a credential comes along: the host that takes bytes has no business knowing it.
/// 404 for an unknown token, 409 for one that was used.
pub(super) fn admit(state: &State, token: &str, method: &HttpMethod, headers: &HeaderMap) -> Result<(), Refusal> {
    if method != HttpMethod::PUT {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"));
    }
    if headers.contains_key(AUTHORIZATION) {
        return Err(Refusal::bad_request(
            "An upload takes no credential: the Authorization header does not belong here",
        ));
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
