//! Stored plans: saved, found again, applied once.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::directory::{PLAN_SUFFIX, StateDirectory};
use super::file::{create_once, damaged, read_error, sync_directory, write_error, write_whole};
use super::json;
use super::name::find;
use super::plan::{WritePlan, id_of_value};
use super::secret::check_concealed;
use super::time::{parse_time, text, time_text};
use crate::error::{Error, ErrorKind, Result};

/// The format of plans and journals, raised when an older version could not read a newer one's files rightly.
pub(super) const FORMAT: u32 = 1;

/// A plan as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPlan {
    /// Its name.
    pub id: String,
    /// The plan, with its secrets hidden.
    pub plan: WritePlan,
    /// When it was first saved.
    pub created: SystemTime,
    /// When it was applied.
    pub applied: Option<SystemTime>,
}

#[derive(Serialize, Deserialize)]
struct PlanFile<P> {
    format: u32,
    #[serde(with = "text")]
    created: SystemTime,
    plan: P,
}

impl StateDirectory {
    /// Stores a plan, and gives its id; the same plan again is the same file, with the time of its first saving.
    ///
    /// # Errors
    /// `Internal` when a secret of it is not hidden, or another plan has its id; `InvalidArgument` when it cannot be
    /// written, or when a value is nested too deeply to be read back.
    pub fn save_plan(&self, plan: &WritePlan, now: SystemTime) -> Result<String> {
        check_concealed(plan)?;
        let id = plan.id();
        // A damaged file is replaced: what it should hold is at hand.
        if let Ok(known) = self.read_plan(&id) {
            return check_same(&known, plan).map(|()| id);
        }
        let text =
            exact_text(&PlanFile { format: FORMAT, created: now, plan }, plan, |file: PlanFile<_>| Some(file.plan))?;
        write_whole(&self.plan_file(&id), format!("{text}\n").as_bytes())?;
        Ok(id)
    }

    /// The plan of an id, or of the beginning of one, at least four characters.
    ///
    /// # Errors
    /// `NameNotFound`, with near ones, when there is none; `InvalidArgument` when more than one begins so or the file
    /// cannot be read; `Decode`, naming the file, when it is damaged.
    pub fn load_plan(&self, id: &str) -> Result<StoredPlan> {
        let ids = self.plan_ids()?;
        self.read_plan(&find("plan", id, &ids)?)
    }

    /// Notes that a plan is being applied, before its first call: this succeeds once, in one process.
    ///
    /// # Errors
    /// `InvalidArgument`, with the time, when it was applied before; as [`load_plan`](Self::load_plan) otherwise.
    pub fn mark_applied(&self, id: &str, now: SystemTime) -> Result<()> {
        let ids = self.plan_ids()?;
        let id = find("plan", id, &ids)?;
        {
            let _gate = self.enter_gate()?;
            if create_once(&self.mark_file(&id), format!("{}\n", time_text(now)).as_bytes())? {
                return Ok(());
            }
        }
        let when = self.applied(&id)?.map_or_else(|| "before".to_owned(), |time| format!("at {}", time_text(time)));
        // The newest, where it was applied, renewed, and applied again.
        let statement = self.journals()?.into_iter().find(|entry| entry.plan == id).map(|entry| entry.statement);
        let refused =
            |what: &str| Error::new(ErrorKind::InvalidArgument, format!("the plan `{id}` was applied {when}{what}"));
        Err(match statement {
            Some(statement) => refused("").hint(format!(
                "a plan is applied once; make a new one with `PLAN`, or `RESUME '{statement}'` if it stopped"
            )),
            None => refused(", and no journal names it").hint(
                "unless it begins at this moment, or its journal was taken away, it stopped before its first call and \
                 nothing was sent; make a new one with `PLAN`",
            ),
        })
    }

    /// Lets a plan be applied once more, because somebody asked for the very same plan again.
    ///
    /// The earlier time is kept beside it. A plan that was not applied stays as it is.
    ///
    /// # Errors
    /// As [`load_plan`](Self::load_plan); `InvalidArgument` when the mark cannot be moved.
    pub fn renew_plan(&self, id: &str) -> Result<()> {
        let ids = self.plan_ids()?;
        let id = find("plan", id, &ids)?;
        let mark = self.mark_file(&id);
        // Or the mark that is moved might be another than the one that was read.
        let _gate = self.enter_gate()?;
        let Some(applied) = self.applied(&id)? else { return Ok(()) };
        let kept = mark.with_extension(format!("applied-{}", super::time::time_stamp(applied)));
        std::fs::rename(&mark, &kept).map_err(|error| write_error(&mark, &error))?;
        sync_directory(&self.plans_path())
    }

    /// The plan of a whole id.
    pub(super) fn read_plan(&self, id: &str) -> Result<StoredPlan> {
        let path = self.plan_file(id);
        let bytes = std::fs::read(&path).map_err(|error| read_error(&path, &error))?;
        let file: PlanFile<Value> = json::from_text(&bytes).map_err(|error| damaged(&path, error.to_string()))?;
        if file.format != FORMAT {
            return Err(newer_format(file.format).with("file", path.display().to_string()));
        }
        if id_of_value(&file.plan).ok().as_deref() != Some(id) {
            return Err(damaged(&path, "its content does not have the id that its name says"));
        }
        let plan = serde_json::from_value(file.plan).map_err(|error| damaged(&path, error.to_string()))?;
        Ok(StoredPlan { id: id.to_owned(), plan, created: file.created, applied: self.applied(id)? })
    }

    fn applied(&self, id: &str) -> Result<Option<SystemTime>> {
        let path = self.mark_file(id);
        match std::fs::read_to_string(&path) {
            // The mark is there before its text is; the file's own time does as well.
            Ok(text) => Ok(parse_time(text.trim_end()).or_else(|| std::fs::metadata(&path).ok()?.modified().ok())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(read_error(&path, &error)),
        }
    }

    fn plan_file(&self, id: &str) -> PathBuf {
        self.plans_path().join(format!("{id}{PLAN_SUFFIX}"))
    }

    fn mark_file(&self, id: &str) -> PathBuf {
        self.plans_path().join(format!("{id}.applied"))
    }
}

/// An id is the beginning of a digest: two plans may share one.
///
/// # Errors
/// `Internal` when they do.
fn check_same(known: &StoredPlan, plan: &WritePlan) -> Result<()> {
    if known.plan == *plan {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Internal, format!("another plan is stored under the name `{}`", known.id))
        .with("table", known.plan.table.clone())
        .hint("nothing was sent; run the statement itself, or change it a little"))
}

/// The text of something that holds a plan, when reading it gives the very same plan.
///
/// # Errors
/// `InvalidArgument` when it does not.
pub(super) fn exact_text<T: Serialize, B: serde::de::DeserializeOwned>(
    holder: &T,
    plan: &WritePlan,
    plan_of: impl Fn(B) -> Option<WritePlan>,
) -> Result<String> {
    let text = json::to_text(holder).ok();
    let back = text.as_ref().and_then(|text| json::from_text::<B>(text.as_bytes()).ok()).and_then(plan_of);
    // The reader has a limit on nesting that nothing else here has.
    text.filter(|_| back.as_ref() == Some(plan)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, "the plan cannot be stored: a value is nested too deeply")
            .with("table", plan.table.clone())
    })
}

/// A file of a version of ours that does not exist yet.
pub(super) fn newer_format(format: u32) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the file has format {format}, this version knows format {FORMAT}"))
        .hint("use the version of SkyQL that wrote it")
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use serde_json::json;

    use super::*;
    use crate::store::journal::Journal;
    use crate::store::testing::{at, plan_with, run_again, secret_plan, state, told};

    #[test]
    fn a_plan_is_found_by_its_id_or_the_beginning_of_it() {
        let (_temporary, state) = state();
        let plan = plan_with(2);
        let id = state.save_plan(&plan, at(5)).unwrap();
        assert_eq!(id, plan.id());
        let stored = state.load_plan(&id).unwrap();
        assert_eq!(stored, StoredPlan { id: id.clone(), plan, created: at(5), applied: None });
        assert_eq!(state.load_plan(&id[..4]).unwrap(), stored);
        assert_eq!(state.load_plan(&id[..3]).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(state.load_plan("zzzz").unwrap_err().kind(), ErrorKind::NameNotFound);
        assert_eq!(state.load_plan("../plans/x").unwrap_err().kind(), ErrorKind::InvalidArgument);
        let mut wrong = id.clone();
        wrong.replace_range(10..12, "zz");
        let error = state.load_plan(&wrong).unwrap_err();
        assert!(error.hint_text().unwrap().contains(&id), "{error:?}");
    }

    #[test]
    fn the_same_plan_again_is_the_same_file() {
        let (_temporary, state) = state();
        let id = state.save_plan(&plan_with(2), at(5)).unwrap();
        assert_eq!(state.save_plan(&plan_with(2), at(9)).unwrap(), id);
        assert_eq!(state.plans().unwrap().items.len(), 1);
        assert_eq!(state.load_plan(&id).unwrap().created, at(5));
    }

    #[test]
    fn plans_are_listed_newest_first_and_damage_is_named() {
        let (_temporary, state) = state();
        let ids: Vec<String> =
            [(1, 20), (2, 30), (3, 10)].iter().map(|(n, t)| state.save_plan(&plan_with(*n), at(*t)).unwrap()).collect();
        let listed: Vec<String> = state.plans().unwrap().items.into_iter().map(|plan| plan.id).collect();
        assert_eq!(listed, [&ids[1], &ids[0], &ids[2]].map(Clone::clone));
        let path = state.plan_file(&ids[0]);
        let whole = std::fs::read(&path).unwrap();
        let changed = String::from_utf8(whole.clone()).unwrap().replace("name-0", "name-9");
        for content in [&b""[..], b"{}", b"\xff", &whole[..whole.len() / 2], changed.as_bytes()] {
            std::fs::write(&path, content).unwrap();
            let error = state.load_plan(&ids[0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_eq!(error.context_value("file"), path.to_str());
            let listing = state.plans().unwrap();
            assert_eq!((listing.items.len(), listing.unreadable.len()), (2, 1));
        }
        // Saving it again repairs it.
        state.save_plan(&plan_with(1), at(40)).unwrap();
        assert_eq!(state.load_plan(&ids[0]).unwrap().created, at(40));
        std::fs::write(&path, String::from_utf8(whole).unwrap().replace("\"format\":1", "\"format\":2")).unwrap();
        assert_eq!(state.load_plan(&ids[0]).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_plan_with_plain_secrets_is_not_written() {
        let (_temporary, state) = state();
        let error = state.save_plan(&secret_plan("s3cret"), at(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(std::fs::read_dir(state.plans_path()).unwrap().count(), 0);
    }

    #[test]
    fn a_value_nested_too_deeply_is_refused_at_once() {
        let (_temporary, state) = state();
        let mut plan = plan_with(1);
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        plan.calls[0].call.body.insert("deep".into(), deep);
        assert_eq!(state.save_plan(&plan, at(1)).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(std::fs::read_dir(state.plans_path()).unwrap().count(), 0);
    }

    #[test]
    fn a_plan_is_applied_once() {
        let (_temporary, state) = state();
        let id = state.save_plan(&plan_with(1), at(1)).unwrap();
        state.mark_applied(&id, at(60)).unwrap();
        assert_eq!(state.load_plan(&id).unwrap().applied, Some(at(60)));
        let error = state.mark_applied(&id, at(61)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(
            error.message().starts_with(&format!("the plan `{id}` was applied at 1970-01-01T00:01:00.000Z")),
            "{error}"
        );
        // Saving it again does not make it new.
        state.save_plan(&plan_with(1), at(62)).unwrap();
        assert!(state.mark_applied(&id, at(63)).is_err());
        assert_eq!(state.mark_applied("0000000000", at(1)).unwrap_err().kind(), ErrorKind::NameNotFound);
        state.renew_plan(&id).unwrap();
        state.renew_plan(&id).unwrap();
        assert_eq!(state.load_plan(&id).unwrap().applied, None);
        state.mark_applied(&id, at(64)).unwrap();
        assert!(state.mark_applied(&id, at(65)).is_err());
    }

    #[test]
    fn another_plan_of_the_same_name_is_not_taken_for_it() {
        let (_temporary, state) = state();
        let known = state.load_plan(&state.save_plan(&plan_with(1), at(1)).unwrap()).unwrap();
        assert!(check_same(&known, &plan_with(1)).is_ok());
        let error = check_same(&known, &plan_with(2)).unwrap_err();
        assert!(error.kind() == ErrorKind::Internal && error.message().contains(&known.id), "{error}");
    }

    #[test]
    fn a_mark_without_a_journal_says_that_nothing_was_sent() {
        let (_temporary, state) = state();
        let id = state.save_plan(&plan_with(1), at(1)).unwrap();
        state.mark_applied(&id, at(2)).unwrap();
        let error = state.mark_applied(&id, at(3)).unwrap_err();
        assert!(error.message().contains("no journal names it"), "{error}");
        assert!(error.hint_text().unwrap().contains("nothing was sent"), "{error:?}");
        let journal = Journal::begin(&state, &plan_with(1), at(4)).unwrap();
        let error = state.mark_applied(&id, at(5)).unwrap_err();
        assert!(!error.message().contains("no journal"), "{error}");
        assert!(error.hint_text().unwrap().contains(&format!("`RESUME '{}'`", journal.statement())), "{error:?}");
    }

    #[test]
    fn a_plan_is_renewed_and_marked_by_one_at_a_time() {
        let (_temporary, state) = state();
        let id = state.save_plan(&plan_with(1), at(1)).unwrap();
        state.mark_applied(&id, at(2)).unwrap();
        let (done, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let gate = state.enter_gate().unwrap();
            for turn in 0..2 {
                let (done, state, id) = (done.clone(), &state, &id);
                scope.spawn(move || {
                    let ended = if turn == 0 { state.renew_plan(id) } else { state.mark_applied(id, at(3)) };
                    assert!(turn == 1 || ended.is_ok());
                    done.send(()).unwrap();
                });
            }
            // Neither can have come through; without the gate both would have by now.
            assert!(told.recv_timeout(std::time::Duration::from_millis(50)).is_err());
            drop(gate);
        });
        assert_eq!(told.try_iter().count(), 2);
    }

    #[test]
    fn a_mark_without_its_text_is_a_mark() {
        let (_temporary, state) = state();
        let id = state.save_plan(&plan_with(1), at(1)).unwrap();
        std::fs::write(state.mark_file(&id), "").unwrap();
        assert!(state.load_plan(&id).unwrap().applied.is_some());
        assert!(state.mark_applied(&id, at(2)).unwrap_err().message().contains("was applied at"));
    }

    #[test]
    fn one_of_many_threads_applies_a_plan() {
        let (_temporary, state) = state();
        let id = state.save_plan(&plan_with(1), at(1)).unwrap();
        let start = Barrier::new(8);
        let applied = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let own = StateDirectory::open(state.path()).unwrap();
                        start.wait();
                        own.mark_applied(&id, at(2)).is_ok()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|applied| *applied).count()
        });
        assert_eq!(applied, 1);
    }

    #[test]
    fn one_of_many_processes_applies_a_plan() {
        let (_temporary, state) = state();
        let id = state.save_plan(&plan_with(1), at(1)).unwrap();
        let children: Vec<_> =
            (0..4).map(|_| run_again("child_applies_a_plan", module_path!(), state.path(), &id)).collect();
        let codes: Vec<bool> = children.into_iter().map(|mut child| child.wait().unwrap().success()).collect();
        assert_eq!(codes.iter().filter(|done| **done).count(), 1, "{codes:?}");
    }

    #[test]
    fn child_applies_a_plan() {
        if let Some((path, id)) = told() {
            StateDirectory::open(path).unwrap().mark_applied(&id, at(3)).unwrap();
        }
    }
}
