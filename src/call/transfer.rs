//! Bytes that are no rows: an answer that becomes a file, a file that goes where an answer says.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use serde_json::{Value, json};

use super::answer::{self, Verdict};
use super::body::{Piece, body_of};
use super::endpoint::Server;
use super::read::ReadContext;
use super::request::{self, insert_header, shown_url};
use super::send::{Answered, doubtful, locate, outgoing};
use super::tape::Asked;
use crate::error::{Error, ErrorKind, Result, tidy};
use crate::files::ArrivingFile;
use crate::http::{
    Answer, Body, BodySource, HeaderMap, HeaderValue, Method as HttpMethod, Outgoing, Published, Repeat, Request,
    Response, StatusCode, Url, is_loopback,
};
use crate::provider::{Call, Effect, LocalFile, Method, UploadStep};
use crate::report::{Direction, Report, TransferCount};
use crate::rows::ItemPath;

/// How much of an answer that is no file is read, to say what it says.
const TOLD: usize = 1 << 20;

/// How often a download may be sent elsewhere.
const REDIRECTS: usize = 5;

/// Sends a call and writes its answer into the file that it names: whole, or not at all. What is given is the file's
/// name, length and digest.
///
/// # Errors
/// As [`super::send_call`], and `InvalidArgument` when the file cannot be written: where that can be known, before
/// anything is sent.
pub(super) async fn download(
    context: &ReadContext,
    method: &Method,
    call: &Call,
    restricted: Option<&[String]>,
    into: &str,
) -> Result<Answered> {
    if context.is_beyond_record(method, "what its answer writes into a file is in no record") {
        let message = format!("`{}` writes its answer into a file, and a replay has none of it", method.name);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let server = context.server(&call.provider, method, call)?;
    let authorizer = context.endpoints.authorizer(&call.provider, &method.auth, &server, restricted)?;
    let mut request = request::build(method, call, &server, &[], context.settings.timeout)?;
    // Packed on the way, its length would not be known.
    request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let [file, ..] = call.files.as_slice() {
        request = watched(&context.report, request, file.name());
    }
    let file = ArrivingFile::begin(into, context.settings.on_existing).await?;
    let asked = Asked { call, page: 1, values: &[], link: None, server: &server };
    let mut first = outgoing(context, method, &asked, request, authorizer);
    if first.repeat == Repeat::Keyed {
        // Where answers lead elsewhere, no place knows of the attempts before.
        first.repeat = Repeat::Unsafe;
    }
    let Followed { outgoing, mut response, attempts, led } = follow(context, method, first).await?;
    answer::conceal_headers(&mut response.headers, outgoing.authorizer.as_deref());
    let status = response.status;
    let request_id = answer::request_id(&response.headers);
    let arrived = match refusal(method, &outgoing, response, attempts).await {
        // What another place says tells nothing about a call that the API had taken.
        Ok(Arriving::Missing(error)) if led && method.effect != Effect::Read => Err(error.with("state", "unknown")),
        Ok(Arriving::Missing(error)) => {
            let (status, authorizer) = (status.as_u16(), outgoing.authorizer.clone());
            let (value, missing) = (Value::Null, Some(error));
            return Ok(Answered { status, value, request_id, missing, unfinished: None, authorizer });
        }
        Ok(Arriving::Bytes(response)) => arrive(context, file, response).await,
        Err(error) => Err(error),
    };
    let written = arrived.map_err(|error| {
        let error =
            if error.context_value("status").is_some() { error } else { locate(error, method, &outgoing.request) };
        left_open(doubtful(error, method, status, false), method, led)
    })?;
    let value = json!({"file": written.path, "bytes": written.bytes, "sha256": written.sha256});
    let (status, authorizer) = (status.as_u16(), outgoing.authorizer);
    Ok(Answered { status, value, request_id, missing: None, unfinished: None, authorizer })
}

/// Sends a file to the URL that `answer` names. It is not the API's: no credential goes there. The URL opens that place, so
/// it is in no record, and a replay leaves this step out.
///
/// # Errors
/// `state: unknown` in any case, as the call's first step is done; the message says both.
pub(super) async fn second_step(
    context: &ReadContext,
    method: &Method,
    step: &UploadStep,
    file: &LocalFile,
    answer: &Value,
    server: &Server,
) -> Result<()> {
    if context.is_beyond_record(method, "what became of the file that it uploads is in no record") {
        return Ok(());
    }
    put(context, step, file, answer, server).await.map_err(|error| {
        let message =
            format!("`{}` was done, but `{}` was not uploaded: {}", method.name, file.name(), error.message());
        let told = error.context().iter().filter(|(key, _)| *key != "state");
        let both = told.fold(Error::new(error.kind(), message), |both, (key, value)| both.with(key, value.clone()));
        both.with("state", "unknown")
            .hint("what it made waits for its data: delete it, or send the file to it yourself")
    })
}

async fn put(
    context: &ReadContext,
    step: &UploadStep,
    file: &LocalFile,
    answer: &Value,
    server: &Server,
) -> Result<()> {
    let path = ItemPath::parse(&step.url)?;
    let Some(text) = path.select(answer).first().and_then(|value| value.as_str()) else {
        return Err(Error::new(ErrorKind::Api, format!("the answer holds no URL at `{}`", step.url)));
    };
    let url = Url::parse(text)
        .map_err(|_| Error::new(ErrorKind::Api, format!("what the answer holds at `{}` is not a URL", step.url)))?;
    check_foreign(&url, &server.used)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &step.headers {
        insert_header(&mut headers, name, value)?;
    }
    let http_method = if step.http_method == "POST" { HttpMethod::POST } else { HttpMethod::PUT };
    let body = body_of(vec![Piece::File(file.clone())]);
    let request = Request { method: http_method, url, headers, body, timeout: context.settings.timeout };
    let sent = foreign(context, watched(&context.report, request, file.name()), Repeat::Unsafe);
    let answer =
        context.client.fetch(&sent, &context.report, &context.budget).await.map_err(|error| {
            error.with("upload", format!("{} {}", sent.request.method, shown_url(&sent.request.url)))
        })?;
    if answer.status.is_success() {
        return Ok(());
    }
    let said = reason(&answer).or_else(|| answer.status.canonical_reason().map(str::to_owned));
    let message = format!("its host answered {}: {}", answer.status.as_u16(), said.unwrap_or_default());
    Err(Error::new(ErrorKind::Api, message.trim_end_matches([':', ' ']))
        .with("upload", format!("{} {}", sent.request.method, shown_url(&sent.request.url)))
        .with("status", answer.status.as_u16().to_string()))
}

/// What a host that takes bytes says: JSON, or XML as object stores write it.
fn reason(answer: &Answer) -> Option<String> {
    answer::message_of(&answer.body).or_else(|| {
        let text = String::from_utf8_lossy(answer.body.get(..answer.body.len().min(TOLD))?).into_owned();
        let (_, behind) = text.split_once("<Message>")?;
        let (said, _) = behind.split_once("</Message>")?;
        Some(tidy(said))
    })
}

/// A request that counts its body's bytes as they leave.
pub(super) fn watched(report: &Report, request: Request, file: &str) -> Request {
    let Body::Streamed(source) = request.body else { return request };
    let count = report.begin_transfer(file, Direction::Upload, Some(source.length()));
    Request { body: Body::Streamed(Arc::new(Watched { source, count })), ..request }
}

#[derive(Debug)]
struct Watched {
    source: Arc<dyn BodySource>,
    count: TransferCount,
}

#[async_trait]
impl BodySource for Watched {
    fn length(&self) -> u64 {
        self.source.length()
    }

    async fn open(&self) -> Result<BoxStream<'static, Result<Bytes>>> {
        let (chunks, count) = (self.source.open().await?, self.count.clone());
        count.restart();
        Ok(chunks.inspect(move |chunk| count.add(chunk.as_ref().map_or(0, |bytes| bytes.len() as u64))).boxed())
    }
}

/// A request to a host that an answer named: nothing of ours goes there, and its query, which opens it, is not shown.
fn foreign(context: &ReadContext, request: Request, repeat: Repeat) -> Outgoing {
    Outgoing {
        label: None,
        secret_query: request.url.query_pairs().map(|(name, _)| name.into_owned()).collect(),
        request,
        authorizer: None,
        signing_path: String::new(),
        repeat,
        published: Published::default(),
        retries: context.settings.retries,
        max_wait: context.settings.max_wait,
    }
}

/// Refuses a place that an answer names and that bytes have no business with.
fn check_foreign(url: &Url, from: &Url) -> Result<()> {
    let refused = |why: &str| {
        Err(Error::new(ErrorKind::Api, format!("the place that the API names was not used: {why}"))
            .with("place", shown_url(url)))
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        _ => return refused("it is not an `https://` URL"),
    }
    if is_loopback(url) && !is_loopback(from) {
        return refused("it is on this machine");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("it holds a user name");
    }
    Ok(())
}

/// The answer at the end of redirects.
struct Followed {
    outgoing: Outgoing,
    response: Response,
    attempts: u32,
    /// Whether there was a redirect.
    led: bool,
}

/// An error behind a redirect of a call that changes something: the API took the call, and may have done it.
fn left_open(error: Error, method: &Method, led: bool) -> Error {
    let is_open = led && method.effect != Effect::Read && error.context_value("state").is_none();
    if is_open { error.with("state", "unknown") } else { error }
}

/// Sends a request and goes where its answer leads: by GET, and without the credential.
async fn follow(context: &ReadContext, method: &Method, first: Outgoing) -> Result<Followed> {
    let mut next = first;
    for hop in 0..=REDIRECTS {
        let opened = context.client.open(&next, &context.report, &context.budget).await;
        let opened = opened.map_err(|error| left_open(locate(error, method, &next.request), method, hop > 0))?;
        let target = redirect(&opened.response, &next.request).and_then(|target| {
            target.map(|target| check_foreign(&target, &next.request.url).map(|()| target)).transpose()
        });
        let target = target.map_err(|error| left_open(locate(error, method, &next.request), method, true))?;
        let Some(target) = target else {
            return Ok(Followed { outgoing: next, response: opened.response, attempts: opened.attempts, led: hop > 0 });
        };
        let mut headers = HeaderMap::new();
        for name in [ACCEPT, ACCEPT_ENCODING] {
            headers.extend(next.request.headers.get(&name).map(|value| (name.clone(), value.clone())));
        }
        let timeout = next.request.timeout;
        let request = Request { method: HttpMethod::GET, url: target, headers, body: Body::empty(), timeout };
        next = foreign(context, request, Repeat::Safe);
    }
    let error = Error::new(ErrorKind::Api, format!("the API redirects more than {REDIRECTS} times"));
    Err(left_open(locate(error, method, &next.request), method, true))
}

/// Where an answer leads; an answer that would have the request's body sent elsewhere leads nowhere.
fn redirect(response: &Response, request: &Request) -> Result<Option<Url>> {
    let again = match response.status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => true,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => request.method == HttpMethod::GET,
        _ => false,
    };
    let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok()).filter(|_| again);
    let Some(location) = location else { return Ok(None) };
    let mut target = request.url.join(location).map_err(|_| {
        Error::new(ErrorKind::Api, "the API redirects to what is not a URL")
            .with("status", response.status.as_u16().to_string())
    })?;
    target.set_fragment(None);
    Ok(Some(target))
}

enum Arriving {
    Bytes(Response),
    /// The API has no such object.
    Missing(Error),
}

/// Tells an answer that is the file from one that says why there is none.
async fn refusal(method: &Method, outgoing: &Outgoing, response: Response, attempts: u32) -> Result<Arriving> {
    let (status, declared) = (response.status, method.response.media_type.to_ascii_lowercase());
    let media = answer::media_type(&response.headers);
    // An API that says no with a 200 says it in JSON; a login page is HTML.
    let told = ["json", "html"].iter().any(|kind| media.contains(kind) && !declared.contains(kind));
    if status == StatusCode::PARTIAL_CONTENT && !outgoing.request.headers.contains_key(RANGE) && !is_whole(&response) {
        return Err(partial(method, outgoing, &response.headers));
    }
    if status.is_success() && status != StatusCode::NO_CONTENT && !told {
        return Ok(Arriving::Bytes(response));
    }
    let answer = read_told(response, attempts).await.map_err(|error| locate(error, method, &outgoing.request))?;
    let (request, authorizer) = (&outgoing.request, outgoing.authorizer.as_deref());
    if !status.is_success() {
        return match answer::judge(method, outgoing, &answer)? {
            Verdict::NotFound(error) => Ok(Arriving::Missing(error)),
            Verdict::Good | Verdict::Empty => Err(Error::new(ErrorKind::Internal, "an answer is both good and bad")),
        };
    }
    if let Some(rule) = &method.success {
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if ItemPath::parse(&rule.path)?.select(&value).first().is_some_and(|said| **said != rule.equals) {
            return Err(answer::refused(method, request, &answer, authorizer));
        }
    }
    let what = if media.is_empty() { "nothing".to_owned() } else { format!("`{media}`") };
    let error = Error::new(ErrorKind::Decode, format!("the API answered with {what} where `{declared}` was expected"));
    let error = answer::describe(error, method, request, &answer);
    Err(match answer::message(method, &answer.body, authorizer) {
        Some(said) => error.with("said", said),
        None => error.hint("is the base URL right? a proxy or a login page may have answered"),
    })
}

/// Whether an answer of a part is all there is (RFC 9110 §14.4): `bytes 0-99/100`.
fn is_whole(response: &Response) -> bool {
    let range = response.headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let ends = range.and_then(|range| range.trim().strip_prefix("bytes 0-")?.split_once('/'));
    let ends = ends.and_then(|(last, all)| Some((last.parse::<u64>().ok()?, all.parse::<u64>().ok()?)));
    ends.is_some_and(|(last, all)| last.checked_add(1) == Some(all))
}

/// The error of an answer that holds a part of a file, where no part was asked for.
fn partial(method: &Method, outgoing: &Outgoing, headers: &HeaderMap) -> Error {
    let error =
        Error::new(ErrorKind::Network, "the API answered with a part of the file, where all of it was asked for");
    let error = locate(error, method, &outgoing.request).with("status", "206");
    match headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()) {
        Some(range) => error.with("content-range", tidy(range)),
        None => error,
    }
}

/// The beginning of an answer that says something.
async fn read_told(response: Response, attempts: u32) -> Result<Answer> {
    let Response { status, headers, mut body } = response;
    let mut read = BytesMut::new();
    while let Some(chunk) = body.next().await {
        read.extend_from_slice(&chunk?);
        if read.len() > TOLD {
            break;
        }
    }
    Ok(Answer { status, headers, body: read.freeze(), attempts, latency: std::time::Duration::ZERO, in_doubt: false })
}

/// Writes an answer's bytes as they come.
async fn arrive(context: &ReadContext, mut file: ArrivingFile, response: Response) -> Result<LocalFile> {
    let Response { headers, mut body, .. } = response;
    let length = headers.get(CONTENT_LENGTH).filter(|_| !headers.contains_key(CONTENT_ENCODING));
    let length: Option<u64> = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let count = context.report.begin_transfer(&file.name(), Direction::Download, length);
    let mut arrived = 0_u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        arrived += chunk.len() as u64;
        count.add(chunk.len() as u64);
        file.write(chunk).await?;
    }
    match length {
        Some(length) if length != arrived => {
            Err(Error::new(ErrorKind::Network, format!("the answer broke off: {arrived} of {length} bytes came")))
        }
        _ => file.finish().await,
    }
}
