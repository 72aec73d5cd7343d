//! Every method of every shipped provider: its request is built and sent, the sandbox takes it, and its answer decodes.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::DataType;
use serde_json::Value;
use skyql::Verdict;
use skyql::provider::{BodyMedia, Effect, ItemShape, Method, PageKind, ValueType};

use super::cloud::{Cloud, Place, Values, each, line, name, sql, statement};
use super::identity::{Identities, lists};
use super::values::body;

/// A method, and what it is told.
struct Task<'a> {
    place: &'a Place,
    method: &'a Arc<Method>,
    values: Values,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_linode_is_called_and_its_answer_decodes() {
    every_method(&Cloud::start("linode"), 449).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_digitalocean_is_called_and_its_answer_decodes() {
    every_method(&Cloud::start("digitalocean"), 701).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_lunanode_is_called_and_its_answer_decodes() {
    every_method(&Cloud::start("lunanode"), 106).await;
}

async fn every_method(cloud: &Cloud, count: usize) {
    let mut wrong = Vec::new();
    let identities = Identities::new(cloud);
    let mut tasks = Vec::new();
    for place in &cloud.places {
        // Each method that removes has an object of its own to remove; the first is for all others.
        let mut removed = 0;
        for method in place.resource.methods.values() {
            let which = if method.effect == Effect::Delete {
                removed += 1;
                removed
            } else {
                0
            };
            match identities.of(place, method, which).await {
                Ok(values) => tasks.push(Task { place, method, values }),
                Err(error) => wrong.push(format!("{}.{}: {error}", cloud.id(place), method.name)),
            }
        }
    }
    let of = |effects: &[Effect]| tasks.iter().filter(|task| effects.contains(&task.method.effect)).collect::<Vec<_>>();
    let selects =
        of(&[Effect::Read]).into_iter().filter(|task| task.place.resource.verbs.select.contains(&task.method.name));
    wrong.extend(each(selects, |task| select(cloud, task)).await);
    wrong.extend(each(of(&[Effect::Read]), |task| exec(cloud, task)).await);
    wrong.extend(each(of(&[Effect::Write]), |task| exec(cloud, task)).await);
    // What stands below others goes first.
    let mut removals = of(&[Effect::Delete]);
    removals.sort_by_key(|task| std::cmp::Reverse(task.method.path.matches('/').count()));
    wrong.extend(each(removals, |task| exec(cloud, task)).await);
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(tasks.len(), count, "methods were added or lost");
}

/// The rows of a method that serves SELECT.
async fn select(cloud: &Cloud, task: &Task<'_>) -> Result<(), String> {
    let Task { place, method, values } = task;
    let columns: Vec<String> = method.response.columns.iter().map(|column| name(&column.name)).collect();
    let conditions: Vec<String> = values.iter().map(|(key, value)| format!("{} = {}", name(key), sql(value))).collect();
    let id = cloud.id(place);
    let mut query = format!("SELECT {} FROM {id}", columns.join(", "));
    if !conditions.is_empty() {
        write!(query, " WHERE {}", conditions.join(" AND ")).unwrap();
    }
    let fail = |what: String| Err(format!("{id} by {}: {what}\n    {query}", method.name));
    let answer = match cloud.db().run(&query).await {
        Ok(answer) => answer,
        Err(error) => return fail(line(&error)),
    };
    let report = &answer.report;
    // Of a few lists nothing says whether there is more: lint has the reasons.
    let is_open = lists(method) && method.pagination.kind == PageKind::Unknown;
    let wanted = if is_open { Verdict::Unproved } else { Verdict::Complete };
    let warned = report.warnings.iter().any(|warning| !(is_open && warning.code == "unproved"));
    if report.misfits > 0 || report.verdict() != wanted || warned {
        return fail(format!("{report:?}"));
    }
    if answer.rows.is_empty() {
        return fail("no rows".to_owned());
    }
    if method.response.items == ItemShape::Object && answer.rows.len() != 1 {
        return fail(format!("{} rows of one object", answer.rows.len()));
    }
    let path = Cloud::path(method, values);
    if !cloud.was_asked(&method.http_method, &path) {
        return fail(format!("no {} {path}", method.http_method));
    }
    Ok(())
}

/// One call, and its answer.
async fn exec(cloud: &Cloud, task: &Task<'_>) -> Result<(), String> {
    let Task { place, method, values } = task;
    let id = format!("{}.{}", cloud.id(place), name(&method.name));
    let dir = tempfile::tempdir().unwrap();
    let mut statement = statement(&cloud.id(place), method, values, body(method, 1));
    let mut sent = Vec::new();
    for (field, path) in files(method, dir.path()) {
        std::fs::write(&path, b"content").unwrap();
        let field = field.map(|field| format!(" AS {}", name(&field))).unwrap_or_default();
        sent.push(format!("{}{field}", sql(&Value::from(path.to_str().unwrap()))));
    }
    if !sent.is_empty() {
        write!(statement, " FROM {}", sent.join(", ")).unwrap();
    }
    let binary = method.response.items == ItemShape::Binary;
    if binary {
        write!(statement, " INTO {}", sql(&Value::from(dir.path().join("answer").to_str().unwrap()))).unwrap();
    }
    let fail = |what: String| Err(format!("{id}: {what}\n    {statement}"));
    let mut session = cloud.engine.session();
    session.settings_mut().set("confirm", "never").unwrap();
    let mut result = match session.sql(&statement).await {
        Ok(result) => result,
        Err(error) => return fail(line(&error)),
    };
    let batches = match result.read_all().await {
        Ok(batches) => batches,
        Err(error) => return fail(line(&error)),
    };
    let report = result.report();
    // One call of a list may not be all of it, which the report says.
    let is_whole = lists(method) || report.warnings.is_empty() && report.verdict() == Verdict::Complete;
    if report.misfits > 0 || !is_whole || report.calls != 1 {
        return fail(format!("{report:?}"));
    }
    let path = Cloud::path(method, values);
    if !cloud.was_asked(&method.http_method, &path) {
        return fail(format!("no {} {path}", method.http_method));
    }
    if binary {
        let written = std::fs::metadata(dir.path().join("answer")).map_or(0, |file| file.len());
        return if written > 0 { Ok(()) } else { fail("nothing was written".to_owned()) };
    }
    if method.response.items == ItemShape::Empty {
        return Ok(());
    }
    let Some(batch) = batches.first().filter(|batch| batch.num_rows() > 0) else {
        return fail(format!("{} batches", batches.len()));
    };
    for column in &method.response.columns {
        let Some(found) = batch.column_by_name(&column.name) else {
            return fail(format!("no column `{}`", column.name));
        };
        let wanted = match column.ty {
            ValueType::Integer => DataType::Int64,
            ValueType::Number => DataType::Float64,
            ValueType::Boolean => DataType::Boolean,
            _ => DataType::Utf8,
        };
        if *found.data_type() != wanted {
            return fail(format!("`{}` is {} and not {wanted}", column.name, found.data_type()));
        }
    }
    let filled = batch.columns().iter().filter(|column| column.null_count() < column.len()).count();
    if !method.response.columns.is_empty() && filled == 0 {
        return fail("an empty answer".to_owned());
    }
    Ok(())
}

/// The files that a call sends: a field each, or the whole body.
fn files(method: &Method, dir: &std::path::Path) -> Vec<(Option<String>, std::path::PathBuf)> {
    let Some(request) = &method.request else { return Vec::new() };
    match request.media {
        BodyMedia::Bytes | BodyMedia::Xml => vec![(None, dir.join("content"))],
        BodyMedia::Multipart => {
            let is_needed = |file: &&String| method.parameters.iter().any(|p| p.name == **file && p.required);
            let needed = request.files.iter().filter(is_needed);
            needed.map(|field| (Some(field.clone()), dir.join(field))).collect()
        }
        BodyMedia::Json | BodyMedia::Form => Vec::new(),
    }
}
