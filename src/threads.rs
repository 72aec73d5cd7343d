//! Work that waits for a disk or computes for long, off the async threads.

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::{Result, fault};

/// Runs `work` on a thread of its own, from now on, and gives what it gives. `what` names it.
///
/// # Errors
/// [`Internal`](crate::error::ErrorKind::Internal) where it panics.
pub(crate) fn off_thread<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T>> + Send {
    let (give, given) = oneshot::channel();
    let task = start(Box::new(move || drop(give.send(work()))));
    let unexpected = move || fault(format!("{what} ended unexpectedly"));
    async move {
        match task.await {
            Ok(()) => given.await.map_err(|_| unexpected()),
            // What a panic says may hold values.
            Err(_) => Err(unexpected()),
        }
    }
}

/// One type of task for all work: what tokio makes of each is long.
fn start(work: Box<dyn FnOnce() + Send>) -> JoinHandle<()> {
    spawn_blocking(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn work_gives_what_it_makes_and_a_panic_is_an_error() {
        assert_eq!(off_thread("adding", || 1 + 1).await.unwrap(), 2);
        let error = off_thread("adding", || -> u32 { panic!("no numbers") }).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Internal, "adding ended unexpectedly"));
    }
}
