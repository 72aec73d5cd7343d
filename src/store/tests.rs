//! Journals: written, torn, cut, killed, taken over.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::record::parse;
use super::testing::{all_bytes, at, plan_with, run_again, secret_plan, state, told};
use super::*;
use crate::error::ErrorKind;

fn outcome(state: OutcomeState) -> Outcome {
    Outcome {
        state,
        status: Some(201),
        request_id: Some("req-1".to_owned()),
        ids: BTreeMap::from([("id".to_owned(), json!(0.300_000_000_000_000_04))]),
        message: Some("line one\nline two \u{1F600}".to_owned()),
    }
}

/// A whole statement of three calls, and its journal's file.
fn write_statement(state: &StateDirectory) -> std::path::PathBuf {
    let journal = Journal::begin(state, &plan_with(3), at(10)).unwrap();
    journal.intent(0, at(11)).unwrap();
    journal.outcome(0, outcome(OutcomeState::Done), at(12)).unwrap();
    journal.intent(1, at(13)).unwrap();
    journal.intent(2, at(14)).unwrap();
    journal.outcome(2, outcome(OutcomeState::Failed), at(15)).unwrap();
    journal.outcome(1, outcome(OutcomeState::Unknown), at(16)).unwrap();
    journal.end(at(17), "1 done, 1 failed, 1 unknown").unwrap();
    journal.path().to_owned()
}

fn states(record: &StatementRecord) -> Vec<CallState> {
    record.calls.iter().map(CallRecord::state).collect()
}

/// The ends of the lines of a file.
fn line_ends(bytes: &[u8]) -> Vec<usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1).collect()
}

#[test]
fn a_journal_is_read_back_as_it_was_written() {
    let (_temporary, state) = state();
    let path = write_statement(&state);
    let record = read_journal(&path).unwrap();
    assert_eq!(record.plan, plan_with(3));
    assert_eq!(record.at, at(10));
    assert_eq!(states(&record), [CallState::Done, CallState::Unknown, CallState::Failed]);
    assert_eq!(record.calls_in(CallState::Failed), [2]);
    let first = CallRecord {
        first_intent: Some(at(11)),
        intent: Some(at(11)),
        outcome: Some(outcome(OutcomeState::Done)),
        finished: Some(at(12)),
    };
    assert_eq!(record.calls[0], first);
    assert_eq!((record.ended, record.torn), (true, 0));
    assert_eq!(record.summary.as_deref(), Some("1 done, 1 failed, 1 unknown"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 8);
    let begin: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(begin["kind"], "begin");
    assert_eq!(begin["at"], "1970-01-01T00:00:10.000Z");
    assert_eq!(begin["statement"], record.statement);
    let entries = state.journals().unwrap();
    assert_eq!(entries, [JournalEntry { statement: record.statement, plan: plan_with(3).id(), path }]);
}

#[test]
fn statements_have_names_of_their_own_and_are_listed_newest_first() {
    let (_temporary, state) = state();
    let mut begun: Vec<Journal> =
        [5, 5, 5, 9, 7].iter().map(|time| Journal::begin(&state, &plan_with(1), at(*time)).unwrap()).collect();
    let listed: Vec<String> = state.journals().unwrap().into_iter().map(|entry| entry.statement).collect();
    assert_eq!(listed.len(), 5);
    assert_eq!(listed[0], begun[3].statement());
    assert_eq!(listed[1], begun[4].statement());
    let id = plan_with(1).id();
    assert!(listed[0].starts_with(&format!("19700101t000009000-{id}-")), "{}", listed[0]);
    // All of them are held by this process: none counts as stopped.
    assert!(unfinished(&state).unwrap().items.is_empty());
    begun.remove(4);
    begun.remove(0);
    let stopped: Vec<String> = unfinished(&state).unwrap().items.into_iter().map(|record| record.statement).collect();
    assert_eq!(stopped.len(), 2);
    assert_eq!(stopped[0], listed[1]);
}

#[test]
fn a_torn_last_line_is_ignored_at_every_byte() {
    let (_temporary, state) = state();
    let path = write_statement(&state);
    let bytes = std::fs::read(&path).unwrap();
    let ends = line_ends(&bytes);
    for lines in 1..ends.len() {
        let (start, end) = (ends[lines - 1], ends[lines]);
        let (before, _) = parse(&path, &bytes[..start]).unwrap().unwrap();
        for cut in start + 1..end {
            // Some file systems leave zeros where data did not arrive.
            for filler in [&b""[..], &[0; 7]] {
                let (record, whole) = parse(&path, &[&bytes[..cut], filler].concat()).unwrap().unwrap();
                assert_eq!(record.torn, (cut - start + filler.len()) as u64);
                assert_eq!(whole, start as u64);
                assert_eq!(StatementRecord { torn: 0, ..record }, before, "cut at {cut}");
            }
        }
    }
}

#[test]
fn a_statement_without_a_whole_first_line_sent_nothing() {
    let (_temporary, state) = state();
    let path = write_statement(&state);
    let bytes = std::fs::read(&path).unwrap();
    let end = line_ends(&bytes)[0];
    for cut in 0..end {
        assert!(parse(&path, &bytes[..cut]).unwrap().is_none(), "cut at {cut}");
    }
    for cut in [0, 1, end - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert_eq!(read_journal(&path).unwrap_err().kind(), ErrorKind::Partial);
        let listing = unfinished(&state).unwrap();
        assert!(listing.items.is_empty() && listing.unreadable.is_empty());
        let name = state.journals().unwrap()[0].statement.clone();
        assert_eq!(resume(&state, &name).unwrap_err().kind(), ErrorKind::Partial);
    }
}

#[test]
fn a_statement_killed_between_any_two_lines_goes_on() {
    use CallState::{Done, Failed, NotStarted, Unknown};

    let (_temporary, state) = state();
    let path = write_statement(&state);
    let bytes = std::fs::read(&path).unwrap();
    let ends = line_ends(&bytes);
    let expected = [
        [NotStarted, NotStarted, NotStarted],
        [Unknown, NotStarted, NotStarted],
        [Done, NotStarted, NotStarted],
        [Done, Unknown, NotStarted],
        [Done, Unknown, Unknown],
        [Done, Unknown, Failed],
        [Done, Unknown, Failed],
    ];
    for (lines, expected) in expected.iter().enumerate() {
        for torn in [0, 1, 9] {
            std::fs::write(&path, &bytes[..ends[lines] + torn]).unwrap();
            let stopped = unfinished(&state).unwrap().items;
            assert_eq!(stopped.len(), 1);
            assert_eq!(states(&stopped[0]), expected);
            let (journal, record) = resume(&state, &stopped[0].statement).unwrap();
            assert_eq!(record, stopped[0]);
            assert_eq!(record.torn, torn as u64);
            for (call, state) in expected.iter().enumerate() {
                let now = at(100 + call as u64);
                if *state == Done {
                    // What is done is never sent again.
                    assert_eq!(journal.intent(call, now).unwrap_err().kind(), ErrorKind::Internal);
                    continue;
                }
                journal.intent(call, now).unwrap();
                assert_eq!(read_journal(&path).unwrap().calls[call].state(), Unknown);
                journal.outcome(call, outcome(OutcomeState::Done), now).unwrap();
            }
            journal.end(at(200), "done").unwrap();
            drop(journal);
            let record = read_journal(&path).unwrap();
            assert_eq!(states(&record), [Done, Done, Done]);
            assert!(record.ended && record.torn == 0);
            assert!(unfinished(&state).unwrap().items.is_empty());
            let error = resume(&state, &record.statement).unwrap_err();
            assert!(error.message().ends_with("has ended"), "{error:?}");
        }
    }
}

#[test]
fn what_is_torn_is_gone_before_the_next_line() {
    let (_temporary, state) = state();
    let journal = Journal::begin(&state, &plan_with(1), at(1)).unwrap();
    let (name, path) = (journal.statement().to_owned(), journal.path().to_owned());
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], &[0; 5000]].concat()).unwrap();
    let (journal, record) = resume(&state, &name).unwrap();
    assert_eq!(record.torn, 5000);
    journal.intent(0, at(2)).unwrap();
    let record = read_journal(&path).unwrap();
    assert_eq!((record.torn, states(&record)), (0, vec![CallState::Unknown]));
}

#[test]
fn looking_for_stopped_statements_never_gets_in_the_way() {
    let (_temporary, state) = state();
    let name = Journal::begin(&state, &plan_with(1), at(1)).unwrap().statement().to_owned();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    unfinished(&state).unwrap();
                }
            });
        }
        let taken: Vec<bool> = (0..300).map(|_| resume(&state, &name).is_ok()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(taken.into_iter().all(|taken| taken));
    });
}

#[test]
fn an_unknown_call_may_be_settled_without_sending_it_again() {
    let (_temporary, state) = state();
    let journal = Journal::begin(&state, &plan_with(2), at(1)).unwrap();
    journal.intent(0, at(2)).unwrap();
    let name = journal.statement().to_owned();
    drop(journal);
    let (journal, record) = resume(&state, &name[..name.len() - 1]).unwrap();
    assert_eq!(record.calls_in(CallState::Unknown), [0]);
    journal.outcome(0, outcome(OutcomeState::Done), at(3)).unwrap();
    journal.outcome(1, outcome(OutcomeState::Skipped), at(3)).unwrap();
    let record = read_journal(journal.path()).unwrap();
    assert_eq!(states(&record), [CallState::Done, CallState::Skipped]);
}

#[test]
fn a_call_that_was_announced_and_not_sent_has_not_started() {
    let (_temporary, state) = state();
    let journal = Journal::begin(&state, &plan_with(2), at(1)).unwrap();
    journal.intent(0, at(2)).unwrap();
    journal.outcome(0, outcome(OutcomeState::Unsent), at(3)).unwrap();
    let name = journal.statement().to_owned();
    drop(journal);
    let (journal, record) = resume(&state, &name).unwrap();
    assert_eq!(record.calls_in(CallState::NotStarted), [0, 1]);
    journal.intent(0, at(4)).unwrap();
    journal.outcome(0, outcome(OutcomeState::Done), at(5)).unwrap();
    assert_eq!(states(&read_journal(journal.path()).unwrap()), [CallState::Done, CallState::NotStarted]);
}

#[test]
fn what_cannot_be_is_not_written() {
    let (_temporary, state) = state();
    let journal = Journal::begin(&state, &plan_with(3), at(1)).unwrap();
    let before = std::fs::read(journal.path()).unwrap();
    let refused = |result: crate::error::Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::Internal);
    refused(journal.intent(3, at(2)));
    refused(journal.outcome(3, outcome(OutcomeState::Failed), at(2)));
    refused(journal.outcome(0, outcome(OutcomeState::Done), at(2)));
    refused(journal.outcome(0, outcome(OutcomeState::Unknown), at(2)));
    assert_eq!(std::fs::read(journal.path()).unwrap(), before);
    journal.intent(0, at(3)).unwrap();
    refused(journal.intent(0, at(3)));
    journal.outcome(0, outcome(OutcomeState::Failed), at(4)).unwrap();
    journal.intent(0, at(5)).unwrap();
    journal.outcome(0, outcome(OutcomeState::Done), at(6)).unwrap();
    refused(journal.outcome(0, outcome(OutcomeState::Failed), at(7)));
    journal.outcome(1, outcome(OutcomeState::Failed), at(7)).unwrap();
    journal.end(at(8), "").unwrap();
    refused(journal.end(at(8), ""));
    refused(journal.intent(2, at(8)));
    assert!(read_journal(journal.path()).unwrap().ended);
}

#[test]
fn a_journal_with_plain_secrets_is_not_begun() {
    let (_temporary, state) = state();
    let error = Journal::begin(&state, &secret_plan("s3cret"), at(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(state.journals().unwrap().is_empty());
    let hidden = conceal(secret_plan("s3cret"), &state.digest_key().unwrap());
    Journal::begin(&state, &hidden, at(1)).unwrap();
    assert!(!all_bytes(state.path()).windows(6).any(|window| window == b"s3cret"));
}

#[test]
fn a_plan_that_cannot_be_read_back_leaves_no_journal() {
    let (_temporary, state) = state();
    let mut plan = plan_with(1);
    plan.calls[0].call.body.insert("deep".into(), (0..200).fold(json!(1), |inner, _| json!([inner])));
    let error = Journal::begin(&state, &plan, at(1)).unwrap_err();
    assert!(error.message().starts_with("no call goes out: "), "{error:?}");
    assert!(state.journals().unwrap().is_empty());
}

#[test]
fn a_journal_that_cannot_be_made_says_that_no_call_goes_out() {
    let (_temporary, state) = state();
    std::fs::remove_dir(state.path().join("journal")).unwrap();
    let error = Journal::begin(&state, &plan_with(1), at(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().starts_with("no call goes out: "), "{error:?}");
    assert!(error.context_value("file").unwrap().contains("journal"), "{error:?}");
}

#[test]
fn damage_is_an_error_that_names_file_and_line() {
    let (_temporary, state) = state();
    let path = write_statement(&state);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (begin, intent, end) = (lines[0], lines[1], lines[7]);
    let other_plan = begin.replace("name-0", "name-9");
    for (content, line) in [
        (format!("{begin}\n{{\"kind\":\"int\n{intent}\n"), "line 2"),
        (format!("{begin}\n{intent}\nx\n"), "line 3"),
        (format!("{begin}\n\u{0}\u{0}\n"), "line 2"),
        (format!("{intent}\n"), "line 1"),
        (format!("{begin}\n{begin}\n"), "line 2"),
        (format!("{begin}\n{end}\n{intent}\n"), "line 3"),
        (format!("{begin}\n{}\n", intent.replace("\"call\":0", "\"call\":3")), "line 2"),
        (format!("{begin}\n{}\n", intent.replace("1970", "1x70")), "line 2"),
        (format!("{other_plan}\n"), "line 1"),
    ] {
        std::fs::write(&path, &content).unwrap();
        let error = read_journal(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{content}");
        assert_eq!(error.context_value("file"), path.to_str());
        assert!(error.context_value("reason").unwrap().starts_with(line), "{error:?}");
        let listing = unfinished(&state).unwrap();
        assert_eq!((listing.items.len(), listing.unreadable.len()), (0, 1));
        let name = state.journals().unwrap()[0].statement.clone();
        assert!(resume(&state, &name).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    std::fs::write(&path, begin.replace("\"format\":1", "\"format\":2") + "\n").unwrap();
    assert_eq!(read_journal(&path).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn one_damaged_journal_does_not_hide_the_others() {
    let (_temporary, state) = state();
    let broken = write_statement(&state);
    std::fs::write(&broken, "x\n").unwrap();
    drop(Journal::begin(&state, &plan_with(2), at(90)).unwrap());
    let listing = unfinished(&state).unwrap();
    assert_eq!(listing.items.len(), 1);
    assert_eq!(listing.unreadable[0].context_value("file"), broken.to_str());
}

#[test]
fn an_end_with_a_long_summary_is_an_end() {
    let (_temporary, state) = state();
    for length in [10, 3000, 5000, 100_000] {
        let journal = Journal::begin(&state, &plan_with(1), at(length)).unwrap();
        journal.end(at(length), &"x".repeat(usize::try_from(length).unwrap())).unwrap();
    }
    assert!(unfinished(&state).unwrap().items.is_empty());
}

#[test]
fn unknown_statements_are_named_with_near_ones() {
    let (_temporary, state) = state();
    assert_eq!(resume(&state, "1970").unwrap_err().kind(), ErrorKind::NameNotFound);
    write_statement(&state);
    let name = state.journals().unwrap()[0].statement.clone();
    let error = resume(&state, &name.replace("1970", "1971")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameNotFound);
    assert!(error.hint_text().unwrap().contains(&name), "{error:?}");
    assert_eq!(resume(&state, "../journal/x").unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_statement_is_run_by_one_at_a_time() {
    let (_temporary, state) = state();
    let journal = Journal::begin(&state, &plan_with(1), at(1)).unwrap();
    let name = journal.statement().to_owned();
    let error = resume(&state, &name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().ends_with("is being run by another process"), "{error:?}");
    // It can still be read.
    assert!(!read_journal(journal.path()).unwrap().ended);
    drop(journal);
    let taken = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    // Looking for stopped statements never gets in the way of taking one over.
                    unfinished(&state).unwrap();
                    resume(&state, &name)
                })
            })
            .collect();
        let taken: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        taken.iter().filter(|result| result.is_ok()).count()
    });
    assert_eq!(taken, 1);
}

#[test]
fn calls_that_run_side_by_side_share_a_journal() {
    let (_temporary, state) = state();
    let journal = Journal::begin(&state, &plan_with(40), at(1)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for call in (thread..40).step_by(4) {
                    journal.intent(call, at(2)).unwrap();
                    assert!(read_journal(journal.path()).unwrap().calls[call].intent.is_some());
                    journal.outcome(call, outcome(OutcomeState::Done), at(3)).unwrap();
                }
            });
        }
    });
    let record = read_journal(journal.path()).unwrap();
    assert_eq!(record.calls_in(CallState::Done).len(), 40);
}

#[test]
fn a_killed_process_leaves_a_statement_that_can_be_taken_over() {
    let (_temporary, state) = state();
    let mut child = run_again("child_runs_a_statement", module_path!(), state.path(), "");
    let output = BufReader::new(child.stdout.take().unwrap());
    let name = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("statement: ").map(str::to_owned))
        .unwrap();
    assert!(unfinished(&state).unwrap().items.is_empty());
    let error = resume(&state, &name).unwrap_err();
    assert!(error.message().ends_with("is being run by another process"), "{error:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let stopped = unfinished(&state).unwrap().items;
    assert_eq!(stopped.len(), 1);
    assert_eq!(states(&stopped[0]), [CallState::Done, CallState::Unknown, CallState::NotStarted]);
    let (_journal, record) = resume(&state, &name).unwrap();
    assert_eq!(record, stopped[0]);
}

#[test]
fn child_runs_a_statement() {
    let Some((path, _)) = told() else { return };
    let state = StateDirectory::open(path).unwrap();
    let journal = Journal::begin(&state, &plan_with(3), at(1)).unwrap();
    journal.intent(0, at(2)).unwrap();
    journal.outcome(0, outcome(OutcomeState::Done), at(3)).unwrap();
    journal.intent(1, at(4)).unwrap();
    println!("\nstatement: {}", journal.statement());
    // Until it is killed.
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn processes_write_journals_side_by_side() {
    let (_temporary, state) = state();
    let children: Vec<_> =
        (0..3).map(|_| run_again("child_writes_journals", module_path!(), state.path(), "")).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let entries = state.journals().unwrap();
    assert_eq!(entries.len(), 30);
    for entry in entries {
        let record = read_journal(&entry.path).unwrap();
        assert!(record.ended);
        assert_eq!(states(&record), [CallState::Done]);
    }
    assert_eq!(state.plans().unwrap().items.len(), 1);
}

#[test]
fn child_writes_journals() {
    let Some((path, _)) = told() else { return };
    let state = StateDirectory::open(path).unwrap();
    for _ in 0..10 {
        state.save_plan(&plan_with(1), at(1)).unwrap();
        let journal = Journal::begin(&state, &plan_with(1), at(1)).unwrap();
        assert!(unfinished(&state).unwrap().items.is_empty());
        journal.intent(0, at(1)).unwrap();
        journal.outcome(0, outcome(OutcomeState::Done), at(1)).unwrap();
        journal.end(at(1), "").unwrap();
    }
}

/// A copy elsewhere is read as well: nothing but the content counts.
#[test]
fn a_journal_may_be_read_from_anywhere() {
    let (temporary, state) = state();
    let copy = temporary.path().join("copy.jsonl");
    std::fs::copy(write_statement(&state), &copy).unwrap();
    assert!(read_journal(Path::new(&copy)).unwrap().ended);
}
