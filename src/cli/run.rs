//! Running statements one after the other, and serving the sandbox.

use std::fmt::Write as _;
use std::io::Write;

use futures::StreamExt;

use crate::cli::ask::{self, Asking};
use crate::cli::meant::Writes;
use crate::cli::message::Messages;
use crate::cli::script::{Script, Scripts};
use crate::cli::secret::supply;
use crate::cli::stop::Stop;
use crate::config::{Env, OnError};
use crate::engine::{Engine, Found, PendingWrite, QueryResult, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::output::{self, Format, not_broken, write_stream};
use crate::sql::{self, Piece};

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// Whoever read the rows wanted no more of them (`| head`): the end, and no failure.
    ReaderLeft,
    /// The rows are whole, and what they say is that something is wrong.
    FoundProblems,
    /// A statement failed; the message is out.
    Failed,
    /// The arguments make no sense; the message is out.
    WrongUsage,
    /// The program was told to stop.
    Interrupted(Stop),
}

/// How the statements of a text went.
struct Pieces {
    ended: Ended,
    /// How those before the one went that ended it.
    before: Ended,
    /// Those behind it.
    rest: Vec<Piece>,
}

impl Pieces {
    /// Of a text that ended where nothing more was to be run.
    fn all(ended: Ended) -> Self {
        Self { ended, before: ended, rest: Vec::new() }
    }
}

/// A session with a place for rows and one for messages.
pub(super) struct Runner {
    session: Session,
    out: Box<dyn Write + Send>,
    output: output::Options,
    messages: Messages,
    /// Whether an answer stands in `out`, so that the next one is set off from it.
    answered: bool,
    writes: Writes,
    asking: Asking,
    /// Where secrets are that stored plans do not hold.
    env: Env,
}

impl Runner {
    pub(super) fn new(
        session: Session,
        out: Box<dyn Write + Send>,
        output: output::Options,
        messages: Messages,
        writes: Writes,
    ) -> Self {
        Self { session, out, output, messages, answered: false, writes, asking: Asking::default(), env: Env::empty() }
    }

    pub(super) fn with_env(self, env: &Env) -> Self {
        Self { env: env.clone(), ..self }
    }

    /// After a text was cut off: a transaction lacks what was cut off, and a write may have stopped half-way.
    pub(super) fn cut_off(&mut self, text: &str) {
        self.session.failed(text);
        if self.session.would_change(text) {
            self.messages.unfinished(self.session.engine());
        }
    }

    pub(super) fn messages(&mut self) -> &mut Messages {
        &mut self.messages
    }

    pub(super) fn asking(&self) -> Asking {
        self.asking.clone()
    }

    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// What is written next looks like this.
    pub(super) fn look(&mut self, output: output::Options) {
        self.output = output;
    }

    /// What is written next stands by itself: nothing is above it.
    pub(super) fn begin(&mut self) {
        self.answered = false;
    }

    /// Runs all scripts in order, up to the first statement that fails, or past it where the session's settings say so.
    pub(super) async fn scripts(&mut self, scripts: &[Script]) -> Ended {
        let mut all = Ended::Well;
        for (at, script) in scripts.iter().enumerate() {
            let Pieces { ended, before, rest } = self.pieces(script).await;
            match ended {
                Ended::Well => {}
                Ended::Failed if self.goes_on() => all = Ended::Failed,
                Ended::ReaderLeft => {
                    let before = if all == Ended::Failed { all } else { before };
                    let later = scripts.iter().skip(at + 1).flat_map(|script| {
                        sql::split(script.text()).into_iter().flatten().map(move |piece| (script, piece))
                    });
                    return match self.left(before, rest.into_iter().map(|piece| (script, piece)).chain(later)) {
                        Ended::ReaderLeft if self.session.queued_writes() > 0 => self.end_of_texts(),
                        ended => ended,
                    };
                }
                ended => return ended,
            }
        }
        match self.end_of_texts() {
            Ended::Well => all,
            ended => ended,
        }
    }

    /// A script that forgets its COMMIT has not done what it says.
    fn end_of_texts(&mut self) -> Ended {
        if !self.session.in_transaction() {
            return Ended::Well;
        }
        let queued = self.session.queued_writes();
        let writes = if queued == 1 { "1 write was".to_owned() } else { format!("{queued} writes were") };
        let error = Error::new(ErrorKind::Partial, "the statements end inside a transaction")
            .hint(format!("{writes} queued, and nothing was sent; end with COMMIT or ROLLBACK"));
        self.messages.error(&error, None);
        Ended::Failed
    }

    /// Runs the statements of one text, as [`Runner::scripts`] does. Dropping the future cancels the statement that runs.
    pub(super) async fn script(&mut self, script: &Script) -> Ended {
        let Pieces { ended, before, rest } = self.pieces(script).await;
        match ended {
            Ended::ReaderLeft => self.left(before, rest.into_iter().map(|piece| (script, piece))),
            ended => ended,
        }
    }

    /// Whoever read the rows is gone. What is left would run for nobody, and is not run; where that is more than something
    /// to look at, it is said.
    fn left<'s>(&mut self, before: Ended, rest: impl Iterator<Item = (&'s Script, Piece)>) -> Ended {
        let mut rest = rest.filter(|(_, piece)| self.session.does_something(&piece.text));
        let Some((script, first)) = rest.next() else {
            return if before == Ended::Failed { before } else { Ended::ReaderLeft };
        };
        let statements = match rest.count() {
            0 => "this statement was not run".to_owned(),
            more => format!("this statement and {more} more were not run"),
        };
        let error = Error::new(ErrorKind::Partial, format!("whoever read the rows is gone, so {statements}"))
            .hint("let the reader read to the end, or run what changes something by itself");
        script.tell(&error.placed(first.start), &mut self.messages);
        Ended::Failed
    }

    async fn pieces(&mut self, script: &Script) -> Pieces {
        let pieces = match sql::split(script.text()) {
            Ok(pieces) => pieces,
            Err(error) => {
                self.session.failed(script.text());
                script.tell(&error, &mut self.messages);
                return Pieces::all(Ended::Failed);
            }
        };
        let mut all = Ended::Well;
        for (at, piece) in pieces.iter().enumerate() {
            match self.statement(piece).await {
                Ok(Ended::Well) => {}
                Ok(ended) => {
                    return Pieces { ended, before: all, rest: pieces.into_iter().skip(at + 1).collect() };
                }
                Err(error) => {
                    self.session.failed(&piece.text);
                    // Of several statements, the place says which one it was.
                    let error = if script.is_file() { error.placed(piece.start) } else { error.moved(piece.start) };
                    script.tell(&error, &mut self.messages);
                    all = Ended::Failed;
                    if !self.goes_on() {
                        return Pieces::all(all);
                    }
                }
            }
        }
        Pieces::all(all)
    }

    fn goes_on(&self) -> bool {
        self.session.settings().on_error == OnError::Continue
    }

    async fn statement(&mut self, piece: &Piece) -> Result<Ended> {
        self.session.watch().forget();
        let asks = self.writes == Writes::Ask;
        self.asking.during(supply(&mut self.session, &piece.text, &self.env, asks)).await?;
        let mut result = if self.writes == Writes::Show {
            self.session.dry_run(&piece.text).await?
        } else {
            match self.session.plan_write(&piece.text).await? {
                Some(pending) => self.write(pending).await?,
                None => self.session.sql(&piece.text).await?,
            }
        };
        if let Some(message) = result.message().map(str::to_owned) {
            while let Some(batch) = result.next().await {
                batch?;
            }
            self.messages.warnings(&result.report().warnings);
            self.messages.note(&message);
            if let Some(note) = result.note() {
                self.messages.note(note);
            }
            return Ok(Ended::Well);
        }
        // CSV has no sign for the end of a table either; in JSON each answer is one array, in JSON lines all rows are
        // of one kind: objects.
        let set_off = !matches!(self.output.format, Format::Json | Format::Jsonl);
        if self.answered && !self.output.format.holds_several() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a file of this format holds the rows of one statement only",
            )
            .hint("write the rows of each statement to a file of its own"));
        }
        if std::mem::replace(&mut self.answered, true) && set_off && !not_broken(self.out.write_all(b"\n"))? {
            return Ok(Ended::ReaderLeft);
        }
        if matches!(self.output.format, Format::Json | Format::Jsonl) {
            result.prefer_program_form();
        }
        let schema = result.schema();
        let written = write_stream(&mut result, &schema, &self.output, &mut *self.out).await;
        let report = result.report();
        match written {
            Ok(written) if written.broken_pipe => Ok(Ended::ReaderLeft),
            Ok(_) => {
                self.messages.warnings(&report.warnings);
                if let Some(note) = result.note() {
                    self.messages.note(note);
                }
                self.messages.footer(&report);
                Ok(Ended::Well)
            }
            Err(error) => {
                // The error itself says which part failed.
                self.messages.warnings(report.warnings.iter().filter(|warning| warning.code != "failed"));
                Err(error)
            }
        }
    }
}

impl Runner {
    /// Shows a write, or sends it when the user says so or need not be asked.
    async fn write(&mut self, mut pending: PendingWrite) -> Result<QueryResult> {
        let asks = pending.asks(self.session.settings().confirm);
        match self.writes {
            // A dry run asks for no pending write.
            Writes::Show => return self.session.store_plan(pending).await,
            Writes::Send => pending.check_confirmed(self.session.settings())?,
            Writes::Ask => {
                if asks {
                    self.messages.ask(&pending);
                    if !matches!(self.asking.during(ask::line("send? [y/N] ")).await.as_str(), "y" | "yes") {
                        return Err(Error::new(ErrorKind::Cancelled, "nothing was sent"));
                    }
                }
                for (call, request) in pending.unknown() {
                    self.messages.ask_what_became(call, &request);
                    let answer = ask::line("was it done? [y]es / [n]o, send it / Enter leaves it unknown: ");
                    match self.asking.during(answer).await.as_str() {
                        "y" | "yes" => pending.settle(call, Found::Done),
                        "n" | "no" => pending.settle(call, Found::NotDone),
                        _ => {}
                    }
                }
            }
        }
        self.session.apply(pending).await
    }
}

/// Says what is wrong with the scripts, all of it; no call is made.
pub(super) async fn check(session: &Session, scripts: &Scripts, mut messages: Messages) -> Ended {
    let (mut problems, mut statements) = (scripts.problems + scripts.unusable, 0);
    for script in &scripts.rendered {
        let found = session.check(script.text()).await;
        for problem in &found.problems {
            script.tell(problem, &mut messages);
        }
        problems += found.problems.len();
        statements += found.statements;
    }
    let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (problems_said, statements_said) = (counted(problems, "problem"), counted(statements, "statement"));
    messages.note(&format!("{problems_said} in {statements_said}"));
    match (scripts.unusable, problems) {
        (0, 0) => Ended::Well,
        (0, _) => Ended::Failed,
        _ => Ended::WrongUsage,
    }
}

/// Serves imitations of one provider or all until Ctrl-C. Each address stands on a line of its own in `out`, after its
/// provider's name and a space.
pub(super) async fn serve(
    engine: &Engine,
    provider: Option<&str>,
    port: u16,
    mut out: Box<dyn Write + Send>,
    mut messages: Messages,
) -> Ended {
    match start_serving(engine, provider, port, &mut *out, &mut messages).await {
        Ok(ended) => ended,
        Err(error) => {
            messages.error(&error, None);
            Ended::Failed
        }
    }
}

async fn start_serving(
    engine: &Engine,
    provider: Option<&str>,
    port: u16,
    out: &mut (dyn Write + Send),
    messages: &mut Messages,
) -> Result<Ended> {
    let addresses = engine.serve_sandbox(provider, port)?;
    let mut lines = String::new();
    for (provider, url) in &addresses {
        let _infallible = writeln!(lines, "{provider} {url}");
    }
    if !not_broken(out.write_all(lines.as_bytes()).and_then(|()| out.flush()))? {
        return Ok(Ended::ReaderLeft);
    }
    messages.note("serving until Ctrl-C");
    tokio::signal::ctrl_c().await.map_err(|error| {
        Error::new(ErrorKind::Internal, "Ctrl-C cannot be listened for").with("reason", error.to_string())
    })?;
    Ok(Ended::Well)
}
