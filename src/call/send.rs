//! One call, sent to its end: what writes and EXEC do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::answer::{self, Verdict};
use super::body::{pieces, text_of};
use super::endpoint::Endpoints;
use super::kept::Changing;
use super::read::ReadContext;
use super::request::{self, HIDDEN, shown_url};
use super::tape::Asked;
use super::{told, transfer};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Authorizer, HeaderMap, Outgoing, Published, Rate, Repeat, Request, StatusCode, origin};
use crate::provider::{Call, Effect, Location, Method};
use crate::rows::ItemPath;

/// What an API answered to one call.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body as JSON; text that is none stands as a string, and nothing as null.
    pub value: Value,
    /// The API's own id of the request, where it gives one.
    pub request_id: Option<String>,
    /// Set when the API has no such object (404 with its own kind of body).
    pub missing: Option<Error>,
    /// Set when the call was done, and the second step that follows from its answer was not.
    pub unfinished: Option<Error>,
    /// The credential of the call, which the answer may repeat.
    pub(super) authorizer: Option<Arc<Authorizer>>,
}

impl Answered {
    /// A text of the answer for people, without the credential.
    pub fn conceal(&self, text: &str) -> String {
        self.authorizer.as_ref().map_or_else(|| text.to_owned(), |authorizer| authorizer.conceal(text))
    }
}

/// Where a call goes, and with which credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The origin that the request goes to.
    pub origin: String,
    /// A fingerprint of the credential; absent when the call needs none.
    pub credential: Option<String>,
}

/// A request for people: secret values are hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRequest {
    /// The HTTP method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers that depend on the call or carry the credential, which is hidden.
    pub headers: Vec<(String, String)>,
    /// The body before it is signed; empty when there is none. What files hold is not in it.
    pub body: String,
    /// What becomes of the answer, where it is no rows: `into 'file'`, `then PUT <file> to $.upload_to`.
    pub then: Option<String>,
}

/// A request of a method as it is sent, for reads and writes alike: its effect says whether it may be sent again.
pub(super) fn outgoing(
    context: &ReadContext,
    method: &Method,
    asked: &Asked<'_>,
    request: Request,
    authorizer: Option<Arc<Authorizer>>,
) -> Outgoing {
    let label = context.label(method, asked, &request, authorizer.as_ref());
    Outgoing {
        label,
        request,
        authorizer,
        secret_query: secret_query(method),
        signing_path: method.path.trim_start_matches('/').to_owned(),
        repeat: repeat(method, asked.call),
        published: published(method),
        retries: context.settings.retries,
        max_wait: context.settings.max_wait,
    }
}

/// Whether a call may be sent again when nobody knows what became of it.
fn repeat(method: &Method, call: &Call) -> Repeat {
    let has_key = method.idempotency_key.as_ref().is_some_and(|key| key.of(call).is_some());
    match method.effect {
        Effect::Read => Repeat::Safe,
        Effect::Write | Effect::Delete if has_key => Repeat::Keyed,
        Effect::Write | Effect::Delete => Repeat::Unsafe,
    }
}

/// Sends one request of a method.
pub(super) async fn send(context: &ReadContext, method: &Method, outgoing: &Outgoing) -> Result<Answer> {
    let fetched = context.client.fetch(outgoing, &context.report, &context.budget).await;
    let mut answer = fetched.map_err(|error| locate(error, method, &outgoing.request))?;
    answer::conceal_headers(&mut answer.headers, outgoing.authorizer.as_deref());
    Ok(answer)
}

/// Sends one call and reads the whole answer, into its file where it names one; where it names a file to upload in a
/// second step, sends that too. `restricted` is as in [`super::ReadPlan::restricted`].
///
/// # Errors
/// As building and sending a request; `Api`, `Auth` and `RateLimited` for what the API refuses. The context holds
/// `state: unknown` where the API may have acted on a call that is not a read.
pub async fn send_call(
    context: &ReadContext,
    method: &Method,
    call: &Call,
    restricted: Option<&[String]>,
) -> Result<Answered> {
    let safe = method.effect == Effect::Read;
    // What is wrong with a path is better found before the call than after it.
    let success = method.success.as_ref().map(|rule| ItemPath::parse(&rule.path)).transpose()?;
    // Whatever becomes of a call that changes something, answers from before it are of no use.
    let changing = |place: String| (!safe).then(|| Changing { kept: &context.kept, place });
    let server = context.server(&call.provider, method, call)?;
    let _changing = (changing(call.provider.clone()), changing(origin(&server.used)));
    if let Some(into) = &call.into {
        return transfer::download(context, method, call, restricted, into).await;
    }
    let authorizer = context.endpoints.authorizer(&call.provider, &method.auth, &server, restricted)?;
    let mut request = request::build(method, call, &server, &[], context.settings.timeout)?;
    if let [file, ..] = call.files.as_slice() {
        request = transfer::watched(&context.report, request, file.name());
    }
    let asked = Asked { call, page: 1, values: &[], link: None, server: &server };
    let outgoing = outgoing(context, method, &asked, request, authorizer);
    let answer = send(context, method, &outgoing).await?;
    let verdict = answer::judge(method, &outgoing, &answer)
        .map_err(|error| doubtful(error, method, answer.status, answer.in_doubt))?;
    let request_id = answer::request_id(&answer.headers);
    let status = answer.status.as_u16();
    let answered = |value, missing| {
        let authorizer = outgoing.authorizer.clone();
        Answered { status, value, request_id, missing, unfinished: None, authorizer }
    };
    match verdict {
        Verdict::NotFound(error) => Ok(answered(Value::Null, Some(error))),
        Verdict::Empty if !safe && method.success.is_some() => Err(unsaid(method, &outgoing.request, &answer)),
        Verdict::Empty => Ok(answered(Value::Null, None)),
        Verdict::Good => {
            let undone = |error| {
                let error = answer::describe(error, method, &outgoing.request, &answer);
                doubtful(error, method, answer.status, answer.in_doubt)
            };
            let said = Said::of(&answer.body).map_err(undone)?;
            if let Some(error) = told::doubt(method, &answer, &said, outgoing.authorizer.as_deref()) {
                return Err(undone(error));
            }
            let value = said.into_value();
            if let (Some(rule), Some(path)) = (&method.success, &success) {
                match path.select(&value).first() {
                    Some(said) if **said != rule.equals => {
                        let authorizer = outgoing.authorizer.as_deref();
                        return Err(answer::refused(method, &outgoing.request, &answer, authorizer));
                    }
                    None if !safe => return Err(unsaid(method, &outgoing.request, &answer)),
                    _ => {}
                }
            }
            let unfinished = match (&method.upload, call.files.as_slice()) {
                (Some(step), [file, ..]) => {
                    transfer::second_step(context, method, step, file, &value, &server).await.err()
                }
                _ => None,
            };
            Ok(Answered { unfinished, ..answered(value, None) })
        }
    }
}

/// An error of a call whose answer had this status, marked where that, or an attempt before, leaves open what the API did.
pub(super) fn doubtful(error: Error, method: &Method, status: StatusCode, in_doubt: bool) -> Error {
    let is_told = method.effect == Effect::Read || !(in_doubt || says_nothing(status));
    if is_told || error.context_value("state").is_some() { error } else { error.with("state", "unknown") }
}

/// Whether a status leaves open what the API did with a change: a server or gateway that broke off, a redirect from
/// wherever it came, and a success, when its body is not the API's.
fn says_nothing(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection() || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
}

/// The error of a change whose answer does not hold what says that it was done.
fn unsaid(method: &Method, request: &Request, answer: &Answer) -> Error {
    let path = method.success.as_ref().map_or("", |rule| rule.path.as_str());
    let error =
        Error::new(ErrorKind::Api, format!("the answer does not hold `{path}`, which says whether it was done"));
    answer::describe(error, method, request, answer).with("state", "unknown")
}

/// What a body says.
#[derive(Debug)]
pub(super) enum Said {
    Json(Value),
    /// No JSON.
    Text(String),
}

impl Said {
    /// A body as JSON, and as text where it is none. What begins as JSON and is not whole is neither.
    fn of(body: &Bytes) -> Result<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let error = match serde_json::from_slice(body) {
            Ok(value) => return Ok(Self::Json(value)),
            Err(error) => error,
        };
        if !body.trim_ascii_start().starts_with(b"{") && !body.trim_ascii_start().starts_with(b"[") {
            return Ok(Self::Text(String::from_utf8_lossy(body).into_owned()));
        }
        // What serde says of it may repeat what stands there.
        let what = if error.is_eof() { "ends too early" } else { "is not valid JSON" };
        Err(Error::new(ErrorKind::Decode, format!("the answer {what}"))
            .with("line", error.line().to_string())
            .with("column", error.column().to_string())
            .hint("the connection may have been cut, or the API wrote too little"))
    }

    fn into_value(self) -> Value {
        match self {
            Self::Json(value) => value,
            Self::Text(text) => Value::String(text),
        }
    }
}

/// Where a call goes.
///
/// # Errors
/// `Auth` when the credential is missing, and as finding the server.
pub fn destination(
    endpoints: &Endpoints,
    method: &Method,
    call: &Call,
    restricted: Option<&[String]>,
) -> Result<Destination> {
    let server = endpoints.server(&call.provider, method, &call.arguments)?;
    let authorizer = endpoints.authorizer(&call.provider, &method.auth, &server, restricted)?;
    Ok(Destination {
        origin: origin(&server.used),
        credential: authorizer.map(|authorizer| authorizer.fingerprint().to_owned()),
    })
}

/// What tells the credential of a call from others, where it must be asked for before the call can be sent.
pub fn token_needed(
    context: &ReadContext,
    method: &Method,
    call: &Call,
    restricted: Option<&[String]>,
) -> Option<String> {
    let server = context.server(&call.provider, method, call).ok()?;
    let authorizer = context.endpoints.authorizer(&call.provider, &method.auth, &server, restricted).ok()??;
    context.client.needs_token(&authorizer).then(|| authorizer.fingerprint().to_owned())
}

/// The request of a call, for people. It is built as it will be sent, so that what cannot be sent is found here.
///
/// # Errors
/// As building the request.
pub fn show_request(endpoints: &Endpoints, method: &Method, call: &Call) -> Result<ShownRequest> {
    let server = endpoints.server(&call.provider, method, &call.arguments)?;
    // With the values themselves, which may be refused where three stars are not.
    request::build(method, call, &server, &[], Duration::ZERO)?;
    let shown = request::hidden(method, call);
    let server = endpoints.server(&call.provider, method, &shown.arguments).unwrap_or(server);
    let request = request::build(method, &shown, &server, &[], Duration::ZERO)?;
    let body = text_of(&pieces(method, &shown, &[], &mut HeaderMap::new())?);
    let then = match (&method.upload, call.files.as_slice(), &call.into) {
        (Some(step), [file, ..], _) => Some(format!("then {} {file} to the URL in {}", step.http_method, step.url)),
        (_, _, Some(into)) => Some(format!("into '{into}'")),
        _ => None,
    };
    let text = |value: &crate::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| *name != "accept")
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    if !method.auth.variables().is_empty() {
        headers.push(("credential".to_owned(), format!("{HIDDEN} ({})", method.auth.variables().join(", "))));
    }
    Ok(ShownRequest { method: request.method.to_string(), url: request.url.to_string(), headers, body, then })
}

/// Adds where it happened to an error of sending.
pub(super) fn locate(error: Error, method: &Method, request: &Request) -> Error {
    if error.kind() == ErrorKind::Budget {
        return error;
    }
    error.with("method", method.name.clone()).with("request", format!("{} {}", request.method, shown_url(&request.url)))
}

/// The query parameters whose values must never be shown.
fn secret_query(method: &Method) -> Vec<String> {
    let secret = method.parameters.iter().filter(|p| p.secret && p.location == Location::Query);
    secret.map(|p| p.wire.clone()).collect()
}

/// The API's published limit for a method.
fn published(method: &Method) -> Published {
    let Some(limit) = &method.rate_limit else { return Published::default() };
    let per = limit.per_seconds.filter(|seconds| *seconds > 0.0 && seconds.is_finite());
    Published {
        rate: limit.requests.zip(per).map(|(requests, per)| Rate { requests, per: Duration::from_secs_f64(per) }),
        concurrency: limit.concurrency,
        remaining_header: limit.remaining_header.clone(),
        reset_header: limit.reset_header.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_breaks_off_is_no_text() {
        let value = |body: &'static [u8]| Said::of(&Bytes::from_static(body)).map(Said::into_value);
        assert_eq!(value(b"\xef\xbb\xbf{\"id\": 1}").unwrap()["id"], 1);
        assert_eq!(value(b"OK").unwrap(), "OK");
        assert_eq!(value(b" {\"id\": 1").unwrap_err().message(), "the answer ends too early");
        assert_eq!(value(b"[1,]").unwrap_err().message(), "the answer is not valid JSON");
    }

    #[test]
    fn statuses_that_leave_open_what_was_done() {
        let unknown = |status: u16| says_nothing(StatusCode::from_u16(status).unwrap());
        for status in [200, 302, 307, 408, 500, 502, 503, 504, 599] {
            assert!(unknown(status), "{status}");
        }
        for status in [400, 401, 404, 409, 422, 429] {
            assert!(!unknown(status), "{status}");
        }
    }
}
