//! The user's own views and tables: those of the session, and those that are kept.
//!
//! *Owns*: what a name of the user's own stands for, and where it is. *Does not own*: running queries (`define`,
//! `planner`), files (`store`).
//! *Invariants*: what is temporary hides what is kept under the same name; a file that cannot be read breaks its own
//! name only, when it is used; on trial nothing is written. Everything here may wait for the disk: call it where blocking is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::BufReader;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use sqlparser::ast::Ident;

use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::sql::{self, Define, OwnKind, Statement};
use crate::store::{DataDirectory, Kept};

/// The catalogue of everything that no provider gives.
pub(super) const CATALOG: &str = "local";
/// The schema of the user's own views and tables.
pub(super) const SCHEMA: &str = "main";

const SQL_KEY: &str = "skyql.sql";
const KIND_KEY: &str = "skyql.kind";
const TAKEN_KEY: &str = "skyql.taken";
const VERDICT_KEY: &str = "skyql.verdict";

/// The views and tables that a session can name.
pub(super) struct Own {
    temporary: Mutex<BTreeMap<String, Object>>,
    kept: Option<DataDirectory>,
    trial: Option<Trial>,
}

/// What would be kept if it were no trial; nothing for a name whose meaning would be taken away.
type Trial = Mutex<BTreeMap<String, Option<Object>>>;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Object {
    /// A query, which is run each time.
    View(String),
    /// Rows.
    Rows(Arc<Snapshot>),
}

/// Rows of a query, as they once were.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) about: About,
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
}

/// What is known of rows beside them.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) kind: OwnKind,
    /// The query.
    pub(super) sql: String,
    /// When it was run.
    pub(super) taken: String,
    /// What its report said.
    pub(super) verdict: String,
}

/// A view or table, for lists.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) kind: OwnKind,
    pub(super) temporary: bool,
    pub(super) taken: Option<String>,
    pub(super) verdict: Option<String>,
    pub(super) sql: Option<String>,
    /// Why it cannot be read.
    pub(super) error: Option<String>,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Own").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Own {
    pub(super) fn new(kept: Option<DataDirectory>) -> Self {
        Self { temporary: Mutex::new(BTreeMap::new()), kept, trial: None }
    }

    /// The same, to go on from in a check or a dry run: what is defined there stays there, and no file changes.
    pub(super) fn on_trial(&self) -> Self {
        let tried = self.tried().map_or_else(BTreeMap::new, |tried| BTreeMap::clone(&tried));
        let temporary = self.temporary().clone();
        Self { temporary: Mutex::new(temporary), kept: self.kept.clone(), trial: Some(Mutex::new(tried)) }
    }

    /// Whether what is defined is no more than tried: no rows are read for it.
    pub(super) fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Whether something can be kept beyond the session.
    pub(super) fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    fn temporary(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.temporary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tried(&self) -> Option<MutexGuard<'_, BTreeMap<String, Option<Object>>>> {
        self.trial.as_ref().map(|trial| trial.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a name stands for whatever is kept, and whether for this session only; the name may have been taken away on
    /// trial.
    fn nearer(&self, name: &str) -> Option<(Option<Object>, bool)> {
        if let Some(object) = self.temporary().get(name) {
            return Some((Some(object.clone()), true));
        }
        let tried = self.tried()?.get(name)?.clone();
        Some((tried, false))
    }

    /// What is kept, but for what stands for something else on trial.
    fn kept_list(&self) -> Result<Vec<(String, Kept)>> {
        let mut list = self.kept.as_ref().map_or_else(|| Ok(Vec::new()), DataDirectory::list)?;
        if let Some(tried) = self.tried() {
            list.retain(|(name, _)| !tried.contains_key(name));
        }
        Ok(list)
    }

    /// What would be kept if it were no trial.
    fn tried_list(&self) -> Vec<(String, Object)> {
        let tried = self.tried();
        let all = tried.iter().flat_map(|tried| tried.iter());
        all.filter_map(|(name, object)| Some((name.clone(), object.clone()?))).collect()
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// `InvalidArgument` when the data directory cannot be read.
    pub(super) fn names(&self) -> Result<BTreeSet<String>> {
        let mut names = self.temporary_names();
        names.extend(self.tried_list().into_iter().map(|(name, _)| name));
        names.extend(self.kept_list()?.into_iter().map(|(name, _)| name));
        Ok(names)
    }

    /// The names that are this session's only.
    pub(super) fn temporary_names(&self) -> BTreeSet<String> {
        self.temporary().keys().cloned().collect()
    }

    /// What a name, spelt as it was made, stands for.
    ///
    /// # Errors
    /// `InvalidArgument` or `Decode`, naming the file, when it cannot be read.
    pub(super) fn find(&self, name: &str) -> Result<Option<Object>> {
        if let Some((found, _)) = self.nearer(name) {
            return Ok(found);
        }
        let Some(kept) = &self.kept else { return Ok(None) };
        let found = self.kept_list()?.into_iter().find(|(known, _)| known == name);
        found.map(|(name, what)| read(kept, &name, what)).transpose()
    }

    /// What a name is for this session only.
    pub(super) fn temporary_kind(&self, name: &str) -> Option<OwnKind> {
        self.temporary().get(name).map(Object::kind)
    }

    /// What a name is, and whether for this session only.
    ///
    /// # Errors
    /// As [`Own::find`]; a table whose file cannot be read is a table.
    pub(super) fn kind(&self, name: &str) -> Result<Option<(OwnKind, bool)>> {
        if let Some((found, temporary)) = self.nearer(name) {
            return Ok(found.map(|object| (object.kind(), temporary)));
        }
        let Some(kept) = &self.kept else { return Ok(None) };
        let found = self.kept_list()?.into_iter().find(|(known, _)| known == name);
        Ok(found.map(|(name, what)| match what {
            Kept::View => (OwnKind::View, false),
            Kept::Rows => (about_kept(kept, &name).map_or(OwnKind::Table, |(about, _)| about.kind), false),
        }))
    }

    /// Gives a name its meaning, for the session or beyond it.
    ///
    /// # Errors
    /// `InvalidArgument` when it cannot be written; then what was under the name is as it was.
    pub(super) fn put(&self, name: &str, object: Object, temporary: bool) -> Result<()> {
        let Some(kept) = self.kept.as_ref().filter(|_| !temporary) else {
            self.temporary().insert(name.to_owned(), object);
            return Ok(());
        };
        if let Some(mut tried) = self.tried() {
            tried.insert(name.to_owned(), Some(object));
            return Ok(());
        }
        match &object {
            Object::View(sql) => {
                let text = format!("CREATE VIEW {} AS\n{sql};\n", Ident::with_quote('"', name));
                kept.keep(name, Kept::View, |file| std::io::Write::write_all(file, text.as_bytes()))?;
                kept.remove(name, Kept::Rows)
            }
            Object::Rows(snapshot) => {
                kept.keep(name, Kept::Rows, |file| write_rows(file, snapshot).map_err(std::io::Error::other))?;
                kept.remove(name, Kept::View)
            }
        }
    }

    /// Takes the meaning from a name.
    ///
    /// # Errors
    /// `InvalidArgument` when its file cannot be removed.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        if self.temporary().remove(name).is_some() {
            return Ok(());
        }
        let Some(kept) = &self.kept else { return Ok(()) };
        if let Some(mut tried) = self.tried() {
            tried.insert(name.to_owned(), None);
            return Ok(());
        }
        kept.remove(name, Kept::View)?;
        kept.remove(name, Kept::Rows)
    }

    /// Everything, sorted by name.
    ///
    /// # Errors
    /// `InvalidArgument` when the data directory cannot be read.
    pub(super) fn list(&self) -> Result<Vec<Listed>> {
        let mut listed: Vec<Listed> =
            self.temporary().iter().map(|(name, object)| listed(name, Ok(object.about()), true)).collect();
        for (name, object) in self.tried_list() {
            if !listed.iter().any(|known| known.name == name) {
                listed.push(self::listed(&name, Ok(object.about()), false));
            }
        }
        if let Some(kept) = &self.kept {
            for (name, what) in self.kept_list()? {
                if listed.iter().any(|known| known.name == name) {
                    continue;
                }
                let about = match what {
                    Kept::View => view_sql(kept, &name).map(|sql| About::view(&sql)),
                    Kept::Rows => about_kept(kept, &name).map(|(about, _)| about),
                };
                let is_view = what == Kept::View;
                let mut found = self::listed(&name, about, false);
                if found.error.is_some() && is_view {
                    found.kind = OwnKind::View;
                }
                listed.push(found);
            }
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// The columns of a name's rows; nothing for a view, which must be planned to know them.
    ///
    /// # Errors
    /// As [`Own::find`].
    pub(super) fn rows_schema(&self, name: &str) -> Result<Option<SchemaRef>> {
        if let Some((found, _)) = self.nearer(name) {
            return Ok(match found {
                Some(Object::Rows(snapshot)) => Some(Arc::clone(&snapshot.schema)),
                Some(Object::View(_)) | None => None,
            });
        }
        match &self.kept {
            Some(kept) if self.kept_list()?.contains(&(name.to_owned(), Kept::Rows)) => {
                about_kept(kept, name).map(|(_, schema)| Some(schema))
            }
            _ => Ok(None),
        }
    }
}

impl Object {
    fn kind(&self) -> OwnKind {
        match self {
            Self::View(_) => OwnKind::View,
            Self::Rows(snapshot) => snapshot.about.kind,
        }
    }

    fn about(&self) -> About {
        match self {
            Self::View(sql) => About::view(sql),
            Self::Rows(snapshot) => snapshot.about.clone(),
        }
    }
}

impl About {
    fn view(sql: &str) -> Self {
        Self { kind: OwnKind::View, sql: sql.to_owned(), taken: String::new(), verdict: String::new() }
    }
}

/// The one of `names` that is meant: itself, else the only one that differs in case and separators.
pub(super) fn spelled<'a>(names: &'a BTreeSet<String>, wanted: &str) -> Option<&'a str> {
    if let Some(exact) = names.get(wanted) {
        return Some(exact);
    }
    let folded = fold_name(wanted);
    let mut found = names.iter().filter(|name| !folded.is_empty() && fold_name(name) == folded);
    let first = found.next()?;
    if found.next().is_some() { None } else { Some(first) }
}

fn listed(name: &str, about: Result<About>, temporary: bool) -> Listed {
    let there = |text: String| (!text.is_empty()).then_some(text);
    let name = name.to_owned();
    match about {
        Ok(About { kind, sql, taken, verdict }) => {
            Listed { name, kind, temporary, taken: there(taken), verdict: there(verdict), sql: there(sql), error: None }
        }
        Err(error) => Listed {
            name,
            kind: OwnKind::Table,
            temporary,
            taken: None,
            verdict: None,
            sql: None,
            error: Some(error.to_string()),
        },
    }
}

fn read(kept: &DataDirectory, name: &str, what: Kept) -> Result<Object> {
    match what {
        Kept::View => view_sql(kept, name).map(Object::View),
        Kept::Rows => {
            let (reader, about) = open(kept, name)?;
            let schema = reader.schema();
            let batches: std::result::Result<Vec<RecordBatch>, _> = reader.collect();
            let batches = batches.map_err(|error| damaged(kept, name, Kept::Rows, &error.to_string()))?;
            Ok(Object::Rows(Arc::new(Snapshot { about, schema, batches })))
        }
    }
}

/// The query of a view's CREATE statement.
fn view_sql(kept: &DataDirectory, name: &str) -> Result<String> {
    let text = kept.view_text(name)?;
    match sql::parse(&text) {
        Ok(Statement::Define(Define::Create(create))) if create.kind == OwnKind::View => Ok(create.query.to_string()),
        Ok(_) => Err(damaged(kept, name, Kept::View, "it holds no CREATE VIEW")),
        Err(error) => Err(damaged(kept, name, Kept::View, error.message())),
    }
}

fn about_kept(kept: &DataDirectory, name: &str) -> Result<(About, SchemaRef)> {
    let (reader, about) = open(kept, name)?;
    Ok((about, reader.schema()))
}

fn open(kept: &DataDirectory, name: &str) -> Result<(FileReader<BufReader<std::fs::File>>, About)> {
    let reader = FileReader::try_new(BufReader::new(kept.rows_file(name)?), None)
        .map_err(|error| damaged(kept, name, Kept::Rows, &error.to_string()))?;
    let said = |key: &str| reader.custom_metadata().get(key).cloned().unwrap_or_default();
    let kind = if said(KIND_KEY) == OwnKind::Materialized.name() { OwnKind::Materialized } else { OwnKind::Table };
    let about = About { kind, sql: said(SQL_KEY), taken: said(TAKEN_KEY), verdict: said(VERDICT_KEY) };
    Ok((reader, about))
}

fn write_rows(file: impl std::io::Write, snapshot: &Snapshot) -> std::result::Result<(), arrow::error::ArrowError> {
    let mut writer = FileWriter::try_new(file, &snapshot.schema)?;
    for batch in &snapshot.batches {
        writer.write(batch)?;
    }
    let about = &snapshot.about;
    writer.write_metadata(KIND_KEY, about.kind.name());
    writer.write_metadata(SQL_KEY, &about.sql);
    writer.write_metadata(TAKEN_KEY, &about.taken);
    writer.write_metadata(VERDICT_KEY, &about.verdict);
    writer.finish()
}

fn damaged(kept: &DataDirectory, name: &str, what: Kept, reason: &str) -> Error {
    let kind = if what == Kept::View { "VIEW" } else { "TABLE" };
    let shown = kept.path_of(name, what).map(|path| path.display().to_string()).unwrap_or_default();
    Error::new(ErrorKind::Decode, format!("the file of `{name}` is damaged"))
        .with("file", shown)
        .with("reason", reason)
        .hint(format!("`DROP {kind} {}` removes it", Ident::with_quote('"', name)))
}
