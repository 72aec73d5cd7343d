//! Plans, directories and processes for the tests of this room.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::directory::StateDirectory;
use super::plan::{Look, PlanPart, PlannedCall, Target, WritePlan};
use crate::provider::{Call, Effect};

const TOLD: &str = "SKYQL_STORE_TEST";

pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(super) fn state() -> (TempDir, StateDirectory) {
    let temporary = tempfile::tempdir().unwrap();
    let state = StateDirectory::open(temporary.path().join("state")).unwrap();
    (temporary, state)
}

/// A plan of `count` calls without secrets.
pub(super) fn plan_with(count: usize) -> WritePlan {
    let fields = |index: usize| BTreeMap::from([("name".to_owned(), json!(format!("name-{index}")))]);
    plan((0..count).map(|index| planned_call(BTreeMap::new(), fields(index))).collect())
}

/// A plan of two calls with `secret` in every place that a plan has.
pub(super) fn secret_plan(secret: &str) -> WritePlan {
    let fields = || BTreeMap::from([("root_pass".to_owned(), json!(secret)), ("size".to_owned(), json!(1.5))]);
    let mut calls = [planned_call(fields(), fields()), planned_call(BTreeMap::new(), fields())];
    calls[0].before = Some(fields());
    for call in &mut calls {
        call.secrets.push("root_pass".to_owned());
        call.request = format!("POST https://api.example.com/servers?root_pass={secret}");
    }
    let literal = secret.replace('\'', "''");
    let select = format!("SELECT id FROM a.b.c WHERE root_pass = '{literal}'");
    let mut plan = plan(calls.into());
    plan.parts[0].look = Some(Look { select, keys: Vec::new(), rows: Vec::from([fields()]) });
    plan
}

fn plan(calls: Vec<PlannedCall>) -> WritePlan {
    let target = Target {
        provider: "a".to_owned(),
        origin: "https://api.example.com".to_owned(),
        credential: Some("f1f2".to_owned()),
    };
    let part = PlanPart { verb: "INSERT".to_owned(), calls: calls.len(), look: None, returning: None, awaits: false };
    let (verb, table) = (part.verb.clone(), "a.b.c".to_owned());
    WritePlan { verb, table, parts: Vec::from([part]), calls, targets: Vec::from([target]) }
}

fn planned_call(arguments: BTreeMap<String, Value>, body: BTreeMap<String, Value>) -> PlannedCall {
    let call = Call {
        provider: "a".to_owned(),
        service: "b".to_owned(),
        resource: "c".to_owned(),
        method: "create".to_owned(),
        arguments,
        body,
        ..Call::default()
    };
    PlannedCall {
        call,
        effect: Effect::Write,
        request: "POST https://api.example.com/servers".to_owned(),
        digest: String::new(),
        identity: BTreeMap::from([("id".to_owned(), json!(7))]),
        before: None,
        secrets: Vec::new(),
        idempotency_key: None,
    }
}

/// Any JSON value.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof!["[a-z]{1,4}", r"\$\$?float", ".{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Any plan, with a secret body field `s0`, perhaps a secret argument `s1`, and the values that `reveal` needs.
pub(super) fn any_plan() -> impl Strategy<Value = (WritePlan, BTreeMap<String, Value>)> {
    let fields = || prop::collection::btree_map("[a-r]{1,6}", any_json(), 0..4);
    // Long and odd enough to be found nowhere else.
    let secret = "[ -~é\u{1F600}]{16,24}";
    let argument = prop::option::of(any_json().prop_filter("null is no secret", |value| !value.is_null()));
    let call = (fields(), fields(), secret, argument);
    (prop::collection::vec(call, 1..5), prop::option::of(prop::collection::vec(fields(), 0..3))).prop_map(
        |(calls, rows)| {
            let mut supplied = BTreeMap::new();
            let calls = calls.into_iter().enumerate().map(|(index, (mut arguments, mut body, text, argument))| {
                body.insert("s0".to_owned(), Value::from(text.clone()));
                supplied.insert(format!("s0#{index}"), Value::from(text));
                if let Some(value) = argument {
                    supplied.insert(format!("s1#{index}"), value.clone());
                    arguments.insert("s1".to_owned(), value);
                }
                let secrets = Vec::from(["s0".to_owned(), "s1".to_owned()]);
                let request = "PUT https://\u{0}".to_owned();
                PlannedCall { request, secrets, ..planned_call(arguments, body) }
            });
            let mut plan = plan(calls.collect());
            plan.parts[0].look = rows.map(|rows| Look { select: "SELECT \u{0}".to_owned(), keys: Vec::new(), rows });
            (plan, supplied)
        },
    )
}

/// The bytes of all files below a directory, and their names.
pub(super) fn all_bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(path.to_str().unwrap().bytes());
        bytes.extend(if path.is_dir() { all_bytes(&path) } else { std::fs::read(&path).unwrap() });
    }
    bytes
}

/// Starts this test program once more, for one test that takes what it needs from [`told`].
pub(super) fn run_again(test: &str, module: &str, state: &Path, word: &str) -> Child {
    let module = module.split_once("::").unwrap().1;
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .env(TOLD, format!("{}\n{word}", state.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What [`run_again`] was given; nothing in an ordinary run.
#[expect(clippy::disallowed_methods, reason = "how a test process tells another what to do")]
pub(super) fn told() -> Option<(PathBuf, String)> {
    let told = std::env::var(TOLD).ok()?;
    let (state, word) = told.split_once('\n')?;
    Some((state.into(), word.to_owned()))
}
