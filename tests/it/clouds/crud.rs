//! Every table that can be written: a row is created, read back, changed and deleted through SQL, and after each step the
//! sandbox is asked without the engine what it holds.
//!
//! Which tables, and with which fields, is derived from the documents. What a document does not offer is left out, and
//! named with its reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};
use skyql::ErrorKind;
use skyql::provider::{Column, ItemShape, Keys, Location, Method, PageKind, Parameter, ValueType};

use super::cloud::{Cloud, Place, Values, each, line, name, sql, text};
use super::identity::{Identities, lists};
use super::values::{needed_fields, sample};
use crate::support::query::{Answer, NULL};

/// What can be done with the rows of a table.
struct Life<'a> {
    place: &'a Place,
    keys: &'a Keys,
    insert: &'a Arc<Method>,
    /// The method of UPDATE, or of REPLACE where there is no UPDATE.
    change: Option<(&'static str, &'a Arc<Method>)>,
    deletes: bool,
    /// The method that shows one row, or all.
    read: &'a Arc<Method>,
    salt: usize,
}

/// What a table lacks to be created, read back and told from others.
fn life<'a>(place: &'a Place, salt: usize) -> Result<Life<'a>, &'static str> {
    let resource = &place.resource;
    let first = |names: &'a [String]| resource.methods_of(names).next();
    let verbs = &resource.verbs;
    let insert = first(&verbs.insert).ok_or("nothing creates it")?;
    if insert.parameters.iter().all(|parameter| parameter.location == Location::Server) {
        return Err("nothing is said of a new one");
    }
    let selects = || resource.methods_of(&verbs.select);
    if selects().next().is_none() {
        return Err("nothing reads it back");
    }
    let Some(keys) = resource.keys.as_ref().filter(|keys| keys.declared) else {
        return Err(if selects().any(|method| lists(method)) {
            "its rows have no identity"
        } else if selects().any(|method| method.path.ends_with('}')) {
            "nothing lists it"
        } else {
            "there is one of it"
        });
    };
    let is_named = |method: &&Arc<Method>| {
        let mut path = method.parameters.iter().filter(|parameter| parameter.location == Location::Path);
        path.all(|parameter| keys.columns.contains_key(&parameter.name))
    };
    let has_keys = |method: &&Arc<Method>| {
        let has = |column: &String| method.response.columns.iter().any(|known| known.name == *column);
        let given = |parameter: &String| method.parameters.iter().any(|known| known.name == *parameter);
        keys.columns.iter().all(|(parameter, column)| has(column) || given(parameter))
    };
    let detail = selects().filter(is_named).find(|method| {
        method.response.items == ItemShape::Object && keys.columns.keys().all(|key| method.parameter(key).is_some())
    });
    let read = detail.or_else(|| selects().filter(is_named).filter(has_keys).find(|method| lists(method)));
    let change = first(&verbs.update).map(|method| ("UPDATE", method));
    Ok(Life {
        place,
        keys,
        insert,
        change: change.or_else(|| first(&verbs.replace).map(|method| ("REPLACE", method))),
        deletes: !verbs.delete.is_empty(),
        read: read.ok_or("it is not read by its identity")?,
        salt,
    })
}

/// Tables that can be created and are not tested, with the reason; tables that are not deleted.
fn left_out(cloud: &Cloud) -> (BTreeMap<String, &'static str>, Vec<String>) {
    let (mut reasons, mut kept) = (BTreeMap::new(), Vec::new());
    for place in cloud.places.iter().filter(|place| !place.resource.verbs.insert.is_empty()) {
        let name = format!("{}.{}", place.service, place.resource.name);
        match life(place, 0) {
            Err(reason) => {
                reasons.insert(name, reason);
            }
            Ok(life) if !life.deletes => kept.push(name),
            Ok(_) => {}
        }
    }
    (reasons, kept)
}

async fn lives(cloud: &Cloud, least: usize, without: &[(&str, &str)], kept: &[&str]) {
    let (reasons, undeleted) = left_out(cloud);
    let without: BTreeMap<String, &str> = without.iter().map(|(name, reason)| ((*name).to_owned(), *reason)).collect();
    let all: Vec<Life<'_>> =
        cloud.places.iter().enumerate().filter_map(|(at, place)| life(place, at + 1).ok()).collect();
    let whole = all.iter().filter(|life| life.deletes).count();
    let identities = &Identities::new(cloud);
    let one = |life| async move {
        let life: &Life<'_> = life;
        live(cloud, identities, life).await.map_err(|error| format!("{}: {error}", cloud.id(life.place)))
    };
    let wrong = each(&all, one).await;
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(whole >= least, "{whole} of {} are created, read and deleted", all.len());
    assert_eq!(reasons, without, "tables that rows are not created in");
    assert_eq!(undeleted, kept, "tables whose rows stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_linode_are_created_read_changed_and_deleted() {
    let without = [
        ("account.agreements", "there is one of it"),
        ("object_storage.bucket_access", "there is one of it"),
        ("object_storage.ssl_certificates", "there is one of it"),
        ("profile.security_questions", "its rows have no identity"),
        ("support.ticket_replies", "its rows have no identity"),
    ];
    let kept = [
        "account.beta_programs",
        "account.payments",
        "linode.backups",
        "managed.credentials",
        "networking.ip_addresses",
        "support.tickets",
    ];
    lives(&Cloud::start("linode"), 40, &without, &kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_digitalocean_are_created_read_changed_and_deleted() {
    let without = [
        ("account.teams", "its rows have no identity"),
        ("container_registry.subscriptions", "there is one of it"),
        ("genai.custom_evaluation_metrics", "nothing reads it back"),
        ("genai.evaluation_runs", "nothing lists it"),
        ("genai.scheduled_indexing", "nothing lists it"),
        ("kubernetes.lint_checks", "there is one of it"),
        ("monitoring.sinks", "its rows have no identity"),
        ("network.partner_attachment_service_keys", "there is one of it"),
        ("projects.default_resources", "its rows have no identity"),
        ("projects.resources", "its rows have no identity"),
        ("security.scans", "nothing is said of a new one"),
        ("security.suppressions", "nothing reads it back"),
    ];
    let kept = [
        "apps.deployments",
        "compute.image_actions",
        "compute.volume_actions",
        "container_registry.garbage_collections",
        "genai.evaluation_test_cases",
        "genai.indexing_jobs",
        "inference.batches",
        "vpcs.peerings",
    ];
    lives(&Cloud::start("digitalocean"), 40, &without, &kept).await;
}

/// One row from its beginning to its end.
async fn live(cloud: &Cloud, identities: &Identities<'_>, life: &Life<'_>) -> Result<(), String> {
    let id = cloud.id(life.place);
    let insert = life.insert;
    let mut above = identities.of(life.place, insert, 0).await?;
    above.retain(|key, _| insert.parameters.iter().any(|known| known.name == *key && known.location != Location::Body));
    let mut fields = fields(life, insert, life.salt);
    for (field, value) in &mut fields {
        // What is above it may be named twice.
        if let Some(above) = above.get(&field.name) {
            *value = above.clone();
        }
    }
    let mut given: Vec<(String, &Value)> = above.iter().map(|(key, value)| (name(key), value)).collect();
    given.extend(fields.iter().map(|(field, value)| (name(&format!("data__{}", field.name)), value)));
    if given.is_empty() {
        return Err("there is nothing to say".to_owned());
    }
    let before = if tells_identity(life) { Vec::new() } else { identity_rows(cloud, life, &above).await? };
    let (columns, values): (Vec<String>, Vec<String>) =
        given.iter().map(|(key, value)| (key.clone(), sql(value))).unzip();
    let statement = format!("INSERT INTO {id} ({}) VALUES ({}) RETURNING *", columns.join(", "), values.join(", "));
    let made = run(cloud, &statement).await?;
    let [row] = made.rows.as_slice() else { return Err(format!("{} rows for {statement}", made.rows.len())) };
    let row = |column: &str| {
        let at = made.columns.iter().position(|known| known == column)?;
        Some(Value::from(row[at].clone())).filter(|value| *value != NULL)
    };
    let field = |wanted: &str| fields.iter().find(|(field, _)| field.name == wanted).map(|(_, value)| value.clone());
    let mut new = Vec::new();
    if !tells_identity(life) {
        // The answer says nothing: it is the row that was not there before.
        new = identity_rows(cloud, life, &above).await?;
        new.retain(|row| !before.contains(row));
        if new.len() != 1 {
            return Err(format!("{} new rows after {statement}", new.len()));
        }
    }
    let mut identity = Vec::new();
    for (at, (parameter, column)) in life.keys.columns.iter().enumerate() {
        let found = new.first().map(|row| Value::from(row[at].clone()));
        let value = found.or_else(|| row(column).filter(|_| tells(life, column)));
        let value =
            value.or_else(|| above.get(parameter).cloned()).or_else(|| field(parameter)).or_else(|| field(column));
        let value = value.ok_or_else(|| format!("no `{column}` among {:?} for {statement}", made.columns))?;
        identity.push((parameter.clone(), column.clone(), value));
    }
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    wanted.extend(
        fields.iter().filter(|(field, _)| column_of(life, field).is_some()).map(|(f, v)| (f.name.clone(), text(v))),
    );
    holds(cloud, life, &identity, &wanted).await.map_err(|error| format!("after {statement}: {error}"))?;

    if let Some((verb, method)) = life.change {
        let mut set = self::fields(life, method, life.salt + 1000);
        for (field, value) in &mut set {
            // What it is found by stays.
            if let Some((_, _, old)) =
                identity.iter().find(|(parameter, column, _)| *column == field.name || *parameter == field.name)
            {
                *value = old.clone();
            }
        }
        let key = |field: &Parameter| life.keys.columns.iter().any(|(p, c)| *p == field.name || *c == field.name);
        set.retain(|(field, _)| field.required || !key(field));
        if !set.is_empty() {
            let assignments: Vec<String> = set
                .iter()
                .map(|(field, value)| format!("{} = {}", name(&format!("data__{}", field.name)), sql(value)))
                .collect();
            let statement = format!("{verb} {id} SET {} WHERE {}", assignments.join(", "), conditions(&identity));
            run(cloud, &statement).await?;
            wanted.extend(
                set.iter()
                    .filter(|(field, _)| column_of(life, field).is_some())
                    .map(|(f, v)| (f.name.clone(), text(v))),
            );
            if verb == "REPLACE" {
                wanted.retain(|name, _| set.iter().any(|(field, _)| field.name == *name));
            }
            holds(cloud, life, &identity, &wanted).await.map_err(|error| format!("after {statement}: {error}"))?;
        }
    }
    if !life.deletes {
        return Ok(());
    }
    let statement = format!("DELETE FROM {id} WHERE {}", conditions(&identity));
    run(cloud, &statement).await?;
    let gone =
        run(cloud, &format!("SELECT {} FROM {id} WHERE {}", name(&identity[0].1), conditions(&identity))).await?;
    if !gone.rows.is_empty() {
        return Err(format!("{} rows are left after {statement}", gone.rows.len()));
    }
    match raw(cloud, life, &identity).await {
        Ok(None) => {}
        other => return Err(format!("after {statement} the sandbox says {other:?}")),
    }
    match cloud.db().run(&statement).await {
        Err(error) if error.kind() == ErrorKind::Api && error.context_value("status") == Some("404") => Ok(()),
        Err(error) => Err(format!("{statement} once more: {}", line(&error))),
        Ok(answer) => Err(format!("{statement} once more: {:?}", answer.report)),
    }
}

/// The fields of a method's body that are needed, or that a column shows; with values.
fn fields<'a>(life: &Life<'_>, method: &'a Method, salt: usize) -> Vec<(&'a Parameter, Value)> {
    let needed: Vec<&Parameter> = needed_fields(method).collect();
    let body = method.parameters.iter().filter(|parameter| parameter.location == Location::Body);
    let is_plain = |field: &Parameter| !field.ty.is_json() && !field.secret;
    let is_chosen = |field: &&Parameter| {
        needed.iter().any(|known| std::ptr::eq(*known, *field)) || is_plain(field) && column_of(life, field).is_some()
    };
    let mut chosen: Vec<&Parameter> = body.clone().filter(is_chosen).collect();
    if chosen.is_empty() {
        // Something must be said.
        chosen.extend(body.take(1));
    }
    chosen.into_iter().map(|field| (field, sample(field, salt))).collect()
}

/// The column that shows what a field was given.
fn column_of<'a>(life: &'a Life<'_>, field: &Parameter) -> Option<&'a Column> {
    let kind = |ty: ValueType| if ty == ValueType::Timestamp { ValueType::Text } else { ty };
    let columns = life.read.response.columns.iter();
    let mut same = columns.filter(|column| column.name == field.name && kind(column.ty) == kind(field.ty));
    same.find(|_| field.column != Some(false) && !field.ty.is_json() && !field.secret)
}

/// Whether the answer to INSERT holds a column.
fn tells(life: &Life<'_>, column: &str) -> bool {
    life.insert.response.columns.iter().any(|known| known.name == column)
}

/// Whether the identity of a new row is known from what was said and what is answered.
fn tells_identity(life: &Life<'_>) -> bool {
    let is_said = |name: &str| life.insert.parameters.iter().any(|known| known.name == name && known.required);
    life.keys.columns.iter().all(|(parameter, column)| tells(life, column) || is_said(parameter) || is_said(column))
}

/// The identities of all rows that there are.
async fn identity_rows(cloud: &Cloud, life: &Life<'_>, above: &Values) -> Result<Vec<Vec<String>>, String> {
    let keys: Vec<String> = life.keys.columns.values().map(|column| name(column)).collect();
    let conditions: Vec<String> = above.iter().map(|(key, value)| format!("{} = {}", name(key), sql(value))).collect();
    let mut query = format!("SELECT {} FROM {}", keys.join(", "), cloud.id(life.place));
    if !conditions.is_empty() {
        write!(query, " WHERE {}", conditions.join(" AND ")).unwrap();
    }
    Ok(run(cloud, &query).await?.rows)
}

fn conditions(identity: &[(String, String, Value)]) -> String {
    identity
        .iter()
        .map(|(_, column, value)| format!("{} = {}", name(column), sql(value)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

async fn run(cloud: &Cloud, statement: &str) -> Result<Answer, String> {
    let answer = cloud.db().run(statement).await.map_err(|error| format!("{}\n    {statement}", line(&error)))?;
    let report = &answer.report;
    // Of a few lists nothing says whether there is more: lint has the reasons.
    let others = report.warnings.iter().any(|warning| !matches!(warning.code, "not_found" | "unproved"));
    if report.misfits > 0 || others {
        return Err(format!("{report:?}\n    {statement}"));
    }
    Ok(answer)
}

/// Whether SQL and the sandbox show these values of a row.
async fn holds(
    cloud: &Cloud,
    life: &Life<'_>,
    identity: &[(String, String, Value)],
    wanted: &BTreeMap<String, String>,
) -> Result<(), String> {
    let mut columns: Vec<String> = wanted.keys().map(|column| name(column)).collect();
    columns.extend(identity.iter().map(|(_, column, _)| name(column)));
    let id = cloud.id(life.place);
    let found = run(cloud, &format!("SELECT {} FROM {id} WHERE {}", columns.join(", "), conditions(identity))).await?;
    let [row] = found.rows.as_slice() else { return Err(format!("{} rows", found.rows.len())) };
    for ((column, wanted), value) in wanted.iter().zip(row) {
        if value != wanted {
            return Err(format!("`{column}` is {value} in SQL and not {wanted}"));
        }
    }
    let Some(held) = raw(cloud, life, identity).await? else { return Err("the sandbox has no such row".to_owned()) };
    for (column, wanted) in wanted {
        let known = life.read.response.columns.iter().find(|known| known.name == *column).unwrap();
        let path = known.source.clone().unwrap_or_else(|| vec![column.clone()]);
        let value = path.iter().try_fold(&Value::Object(held.clone()), |value, key| value.get(key)).map(text);
        if value.as_ref() != Some(wanted) {
            return Err(format!("`{column}` is {value:?} in the sandbox and not {wanted}"));
        }
    }
    Ok(())
}

/// The row as the sandbox holds it; none where it says that there is none.
async fn raw(
    cloud: &Cloud,
    life: &Life<'_>,
    identity: &[(String, String, Value)],
) -> Result<Option<Map<String, Value>>, String> {
    let method = life.read;
    let values: Values = identity.iter().map(|(parameter, _, value)| (parameter.clone(), value.clone())).collect();
    let is_it = |row: &&Value| {
        let same = |(_, column, value): &(String, String, Value)| {
            let known = method.response.columns.iter().any(|known| known.name == *column);
            !known || row.get(column).map(text) == Some(text(value))
        };
        identity.iter().all(same)
    };
    for page in 1..=10 {
        let (status, body) = cloud.raw(method, &values, page).await;
        match status {
            200 => {}
            404 => return Ok(None),
            other => return Err(format!("the sandbox answers {other}: {body}")),
        }
        let mut item = &body;
        for key in method.response.item_path.split('.').skip(1) {
            item = item.get(key).ok_or_else(|| format!("nothing at `{key}` of {body}"))?;
        }
        if method.response.items == ItemShape::Object {
            return Ok(item.as_object().cloned());
        }
        let rows = item.as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(found) = rows.iter().find(is_it) {
            return Ok(found.as_object().cloned());
        }
        if rows.is_empty() || !matches!(method.pagination.kind, PageKind::Page { .. }) {
            break;
        }
    }
    Ok(None)
}
