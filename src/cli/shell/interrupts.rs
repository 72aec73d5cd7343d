//! Ctrl-C, also when it comes while nobody waits for it: between two rounds of `\watch`.

use tokio::runtime::Runtime;
use tokio::sync::watch::{Receiver, channel};

/// The Ctrl-C keys of a shell, from its beginning on.
pub(super) struct Interrupts(Receiver<()>);

impl Interrupts {
    /// From here on Ctrl-C does not end the program.
    pub(super) fn listen(runtime: &Runtime) -> Self {
        let (pressed, seen) = channel(());
        // The first look registers, before anything else happens.
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {}
                () = std::future::ready(()) => {}
            }
        });
        // Ends with the runtime.
        runtime.spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                pressed.send_modify(|()| {});
            }
        });
        Self(seen)
    }

    /// What was pressed before is no answer to what begins now.
    pub(super) fn forget(&mut self) {
        self.0.mark_unchanged();
    }

    /// Until Ctrl-C is pressed, or at once if it was meanwhile; for ever, where it cannot be listened for.
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
