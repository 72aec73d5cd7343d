//! What tells the program to stop: Ctrl-C, and SIGTERM of a service manager, a time limit or a system that goes down.

use std::io;
use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the program was told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    CtrlC,
    #[cfg(unix)]
    Terminate,
}

/// How long a program that is told once, and not by who looks at it, may take to say what it leaves. Nobody may read that:
/// `timeout 60 skyql … | less`.
#[cfg(unix)]
const GRACE: Duration = Duration::from_secs(5);

impl Stop {
    /// How long to wait for the end after this; who presses keys presses again.
    pub(super) fn grace(self) -> Option<Duration> {
        match self {
            Self::CtrlC => None,
            #[cfg(unix)]
            Self::Terminate => Some(GRACE),
        }
    }

    /// What shells call a program's end by a signal: 128 and its number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::CtrlC => 130,
            #[cfg(unix)]
            Self::Terminate => 143,
        }
    }

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CtrlC => "Ctrl-C",
            #[cfg(unix)]
            Self::Terminate => "SIGTERM",
        }
    }
}

/// Listens from the moment it is made.
#[derive(Debug)]
pub(super) struct Stops {
    #[cfg(unix)]
    pressed: Signal,
    #[cfg(unix)]
    terminate: Signal,
}

impl Stops {
    /// Inside a runtime only.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            pressed: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits until the program is told to stop; `None` when it will not be.
    pub(super) async fn next(&mut self) -> Option<Stop> {
        #[cfg(unix)]
        return tokio::select! {
            pressed = self.pressed.recv() => pressed.map(|()| Stop::CtrlC),
            terminate = self.terminate.recv() => terminate.map(|()| Stop::Terminate),
        };
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await.ok().map(|()| Stop::CtrlC)
    }
}
