//! Reading many calls side by side, in order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, Fuse, Stream, StreamExt};

use super::endpoint::Endpoints;
use super::kept::KeptAnswers;
use super::lengths::Lengths;
use super::pages::Pager;
use super::shape::ReadPlan;
use super::shared::SharedAnswers;
use crate::config::Settings;
use crate::error::Result;
use crate::http::{CallBudget, Client};
use crate::provider::Call;
use crate::report::Report;

/// What all calls of a statement share.
#[derive(Debug)]
pub struct ReadContext {
    /// What sends requests.
    pub client: Client,
    /// Where providers are, and their credentials.
    pub endpoints: Arc<Endpoints>,
    /// The statement's report.
    pub report: Report,
    /// The session's settings when the statement began.
    pub settings: Settings,
    /// The statement's limit of calls.
    pub budget: CallBudget,
    /// Answers that readers of this statement share.
    pub shared: Arc<SharedAnswers>,
    /// Answers kept across statements.
    pub kept: Arc<KeptAnswers>,
    /// How long lists were when they were read last.
    pub lengths: Arc<Lengths>,
}

/// One call to make, with what its reader wants to know it by.
#[derive(Debug, Clone)]
pub struct BoundCall {
    /// The call.
    pub call: Call,
    /// `image_id = 5`: the part of the answer that this call gives; empty when it gives all.
    pub label: String,
    /// The reader's own number for it.
    pub tag: usize,
}

/// A batch of one call's rows. The columns are the plan's.
#[derive(Debug)]
pub struct CallBatch {
    /// The call's tag.
    pub tag: usize,
    /// The rows; `None` marks the end of the call's rows, once per call.
    pub rows: Option<RecordBatch>,
}

/// How many calls start at once, at most; the ledger of the host decides how many requests really travel.
const WIDEST: usize = 16;

/// How soon further calls start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All rows will be read: calls start side by side at once.
    Eager,
    /// The reader may stop early: one call first, then two, four and so on as it keeps asking.
    OnDemand,
}

/// Reads `calls` side by side and gives their rows in the order of the calls; dropping the stream drops every request.
pub fn read_calls(
    context: Arc<ReadContext>,
    plan: Arc<ReadPlan>,
    calls: impl Stream<Item = Result<BoundCall>> + Send + 'static,
    pace: Pace,
) -> impl Stream<Item = Result<CallBatch>> + Send {
    Reading {
        context,
        plan,
        calls: calls.boxed().fuse(),
        open: VecDeque::new(),
        current: None,
        ready: VecDeque::new(),
        pace,
        window: if pace == Pace::Eager { WIDEST } else { 1 },
        given: false,
        failed: false,
    }
}

/// The number of all rows that the first answer of a call states; none, where it states none this time.
///
/// # Errors
/// As reading the call.
pub async fn stated_total(context: Arc<ReadContext>, plan: Arc<ReadPlan>, call: BoundCall) -> Result<Option<u64>> {
    Pager::new(context, plan, call, Pace::OnDemand)?.stated_total().await
}

type NextPage = BoxFuture<'static, (Pager, Result<Option<Vec<RecordBatch>>>)>;

struct Reading {
    context: Arc<ReadContext>,
    plan: Arc<ReadPlan>,
    calls: Fuse<BoxStream<'static, Result<BoundCall>>>,
    /// Calls whose first request is under way, oldest first.
    open: VecDeque<(usize, Pager)>,
    /// The call whose rows are given now.
    current: Option<(usize, NextPage)>,
    ready: VecDeque<CallBatch>,
    pace: Pace,
    window: usize,
    /// Whether the reader got something and came back for more.
    given: bool,
    failed: bool,
}

impl Reading {
    fn next_page(mut pager: Pager) -> NextPage {
        Box::pin(async move {
            let outcome = pager.next().await;
            (pager, outcome)
        })
    }

    /// Starts calls until the window is full; true when the source has no more.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        while self.open.len() + usize::from(self.current.is_some()) < self.window {
            match self.calls.poll_next_unpin(cx) {
                Poll::Ready(Some(call)) => {
                    let call = call?;
                    let tag = call.tag;
                    let mut pager = Pager::new(Arc::clone(&self.context), Arc::clone(&self.plan), call, self.pace)?;
                    pager.start();
                    self.open.push_back((tag, pager));
                }
                Poll::Ready(None) => return Ok(true),
                Poll::Pending => return Ok(false),
            }
        }
        Ok(false)
    }
}

impl Stream for Reading {
    type Item = Result<CallBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.failed {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut this.given) {
            this.window = (this.window * 2).min(WIDEST);
        }
        loop {
            if let Some(batch) = this.ready.pop_front() {
                // The end of a call is no row: it says nothing of how much more is wanted.
                this.given |= batch.rows.is_some();
                return Poll::Ready(Some(Ok(batch)));
            }
            let ended = match this.fill(cx) {
                Ok(ended) => ended,
                Err(error) => {
                    this.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            if this.current.is_none() {
                match this.open.pop_front() {
                    Some((tag, pager)) => {
                        this.current = Some((tag, Self::next_page(pager)));
                        continue;
                    }
                    None if ended => return Poll::Ready(None),
                    None => return Poll::Pending,
                }
            }
            let Some((tag, future)) = &mut this.current else { continue };
            let tag = *tag;
            match future.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready((pager, Ok(Some(batches)))) => {
                    this.ready.extend(batches.into_iter().map(|rows| CallBatch { tag, rows: Some(rows) }));
                    this.current = Some((tag, Self::next_page(pager)));
                }
                Poll::Ready((_, Ok(None))) => {
                    this.ready.push_back(CallBatch { tag, rows: None });
                    this.current = None;
                }
                Poll::Ready((_, Err(error))) => {
                    this.failed = true;
                    this.current = None;
                    this.open.clear();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
