//! A panic while a statement runs is the statement's error, and not the end of the program: what comes behind it runs as behind
//! any statement that failed. What a panic says may hold values, so nothing of it is told here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use futures::FutureExt;

use crate::error::{Error, Result, fault};

/// What `work` gives.
///
/// # Errors
/// Its own; `Internal` when it panics.
pub(super) async fn caught<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(broken()))
}

/// What `poll` gives; an error of kind `Internal` when it panics.
pub(super) fn caught_poll<T>(poll: impl FnOnce() -> Poll<Option<Result<T>>>) -> Poll<Option<Result<T>>> {
    catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| Poll::Ready(Some(Err(broken()))))
}

fn broken() -> Error {
    fault("a part of the program broke while the statement ran")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn a_panic_is_an_error_that_says_nothing_of_it() {
        let value = std::hint::black_box("hush");
        let failed = caught(async { if value.is_empty() { Ok(()) } else { panic!("{value}") } }).await.unwrap_err();
        let Poll::Ready(Some(Err(polled))) =
            caught_poll(|| if value.is_empty() { Poll::Ready(None::<Result<()>>) } else { panic!("{value}") })
        else {
            panic!("no error")
        };
        for error in [failed, polled] {
            assert_eq!(error.kind(), ErrorKind::Internal);
            assert!(error.hint_text().is_some_and(|hint| hint.contains("please report it")), "{error:?}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
        assert_eq!(caught(async { Ok(1) }).await.ok(), Some(1));
    }
}
