//! An answer that may hold rows, as it arrives: a short one whole, a long one part by part.
//!
//! *Invariants*: of a long answer no more is held than the part that is being decoded, and what its reader has not taken
//! yet; one that breaks off before it gave a row is asked for again like a short one.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::answer;
use super::read::ReadContext;
use super::send::{locate, send};
use super::shape::ReadPlan;
use crate::error::Result;
use crate::http::{Answer, Arriving, HeaderMap, Outgoing};
use crate::rows::{self, Decoder, Layout, Page, Rows};
use crate::threads::off_thread;

/// Longer bodies are decoded while they arrive. More than this is decoded off the async threads.
const SHORT: usize = 256 * 1024;

/// An answer to a read.
#[derive(Debug)]
pub(super) enum Arrived {
    /// All of it.
    Whole(Answer),
    /// A long one that may hold rows, at its beginning.
    Long(Box<LongAnswer>),
}

/// A good answer that is decoded while it arrives.
#[derive(Debug)]
pub(super) struct LongAnswer {
    /// What is known of it, without its body.
    pub(super) about: Answer,
    pub(super) source: Source,
    /// What was made of the beginning, or what is wrong with it.
    pub(super) decoding: Result<Decoding>,
}

/// Where the bytes of a long answer come from.
#[derive(Debug)]
pub(super) struct Source {
    /// What has come already.
    held: Bytes,
    rest: Arriving,
}

/// Decodes a long answer.
#[derive(Debug)]
pub(super) struct Decoding {
    decoder: Decoder,
    /// Of all bytes so far.
    hasher: DefaultHasher,
    /// Bytes that came since rows were taken.
    bytes: usize,
    /// Bytes that came.
    all: usize,
}

/// How much of a body is held before it counts as a long one: what only short answers say must not be missed.
pub(super) fn most_held(plan: &ReadPlan) -> usize {
    if plan.method.success.is_some() { answer::LONGEST_SAID } else { SHORT }
}

/// Told of the headers of an answer that may be good, before its body is there.
pub(super) type Heads<'a> = &'a (dyn Fn(&HeaderMap) + Sync);

/// Sends a read. An answer longer than `most` is given as soon as it has rows, or is at its end.
///
/// # Errors
/// As sending a request.
pub(super) async fn arrive(
    context: &ReadContext,
    plan: &ReadPlan,
    outgoing: &Outgoing,
    most: usize,
    heads: Heads<'_>,
) -> Result<Arrived> {
    // A record holds answers whole.
    if context.client.tape().is_some() {
        return send(context, &plan.method, outgoing).await.map(Arrived::Whole);
    }
    let take = |arriving: Arriving| {
        if arriving.status.is_success() {
            heads(&arriving.headers);
        }
        take(arriving, Arc::clone(&plan.layout), most)
    };
    let taken = context.client.receive(outgoing, &context.report, &context.budget, take).await;
    let taken = taken.map_err(|error| locate(error, &plan.method, &outgoing.request))?;
    let mut arrived = taken.value;
    let about = match &mut arrived {
        Arrived::Whole(answer) => answer,
        Arrived::Long(long) => &mut long.about,
    };
    (about.attempts, about.latency) = (taken.attempts, taken.latency);
    answer::conceal_headers(&mut about.headers, outgoing.authorizer.as_deref());
    Ok(arrived)
}

async fn take(mut arriving: Arriving, layout: Arc<Layout>, most: usize) -> Result<(Arrived, Option<u64>)> {
    let (status, headers) = (arriving.status, arriving.headers.clone());
    let may_hold_rows = answer::may_hold_rows(status, &headers);
    let (held, more) = arriving.read_to(if may_hold_rows { most } else { answer::LONGEST_SAID }).await?;
    let mut about =
        Answer { status, headers, body: Bytes::new(), attempts: 0, latency: Duration::ZERO, in_doubt: false };
    if !more || !may_hold_rows {
        // What says an error in more words than are read says none: the rest of it is left where it is.
        let length = (!more).then_some(held.len() as u64);
        about.body = held;
        return Ok((Arrived::Whole(about), length));
    }
    let mut source = Source { held, rest: arriving };
    let mut decoding = Decoding { decoder: Decoder::new(layout), hasher: DefaultHasher::new(), bytes: 0, all: 0 };
    let decoding = loop {
        if decoding.decoder.has_rows() {
            break Ok(decoding);
        }
        let Some(bytes) = source.next().await? else { break Ok(decoding) };
        decoding = match decoding.take_in(&bytes).await {
            Ok(decoding) => decoding,
            Err(error) => break Err(error),
        };
    };
    Ok((Arrived::Long(Box::new(LongAnswer { about, source, decoding })), None))
}

impl Source {
    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.held.is_empty() {
            return self.rest.chunk().await;
        }
        Ok(Some(self.held.split_to(SHORT.min(self.held.len()))))
    }

    /// Lets another request go while this one's bytes wait for their reader.
    pub(super) fn make_room(&mut self) {
        self.rest.make_room();
    }
}

impl Decoding {
    /// Takes the next bytes in, and decodes them when they are enough.
    pub(super) async fn take_in(mut self, bytes: &[u8]) -> Result<Self> {
        self.hasher.write(bytes);
        self.bytes += bytes.len();
        self.all += bytes.len();
        if !self.decoder.push(bytes)? {
            return Ok(self);
        }
        let at_hand = self.decoder.at_hand();
        decoded(at_hand, move || self.decoder.read_on().map(|()| self)).await
    }

    /// The rows so far that were not taken yet, and how many bytes they took.
    pub(super) fn take(&mut self) -> Option<(Rows, usize)> {
        self.decoder.has_rows().then(|| (self.decoder.take(), std::mem::take(&mut self.bytes)))
    }

    /// Values of the envelope, as far as it was read.
    pub(super) fn captures(&self) -> &[Option<Value>] {
        self.decoder.captures()
    }

    /// The same when the answer is at its end, as far as they can be told before its last items are decoded.
    pub(super) fn outline(&self) -> Option<Vec<Option<Value>>> {
        self.decoder.outline()
    }

    /// What the answer held, when it is at its end, its fingerprint and its length.
    pub(super) async fn finish(self) -> Result<(Page, u64, usize)> {
        let (fingerprint, length) = (self.hasher.finish(), self.all);
        let page = decoded(self.decoder.at_hand(), move || self.decoder.finish()).await?;
        Ok((page, fingerprint, length))
    }
}

/// Decodes a whole answer.
pub(super) async fn decode(layout: &Arc<Layout>, body: &Bytes) -> Result<Page> {
    let (layout, body) = (Arc::clone(layout), body.clone());
    decoded(body.len(), move || rows::decode(&body, &layout)).await
}

/// Tells one answer from another.
pub(super) fn fingerprint(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    hasher.finish()
}

/// Decodes so many bytes; many of them off the async threads.
async fn decoded<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    // What arrives comes in chunks, so a part is a little longer than it need be.
    if bytes <= 2 * SHORT {
        return work();
    }
    off_thread("decoding", work).await?
}
