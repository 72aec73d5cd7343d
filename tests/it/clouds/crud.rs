//! Every table that can be written: a row is created, read back, changed and deleted through SQL, and after each step the
//! sandbox is asked without the engine what it holds. A change is one that columns show; where no method serves UPDATE or
//! REPLACE, it is made by EXEC, if a method changes a row that way.
//!
//! Which tables, and with which fields, is derived from the documents. What a document does not offer is left out, and
//! named with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use skyql::ErrorKind;
use skyql::provider::{Column, Effect, ItemShape, Keys, Location, Method, PageKind, Parameter, ValueType};

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

/// What is expected of the tables of a provider.
struct Expected<'a> {
    /// How many are created, read, changed and deleted.
    whole: usize,
    /// Those that are not created here, with the reason.
    without: &'a [(&'a str, &'a str)],
    /// Those whose rows stay.
    kept: &'a [&'a str],
    /// Those whose rows are never changed, with the reason.
    unchanged: &'a [(&'a str, &'a [&'a str])],
}

async fn lives(cloud: &Cloud, expected: &Expected<'_>) {
    let (reasons, undeleted) = left_out(cloud);
    let all: Vec<Life<'_>> =
        cloud.places.iter().enumerate().filter_map(|(at, place)| life(place, at + 1).ok()).collect();
    let identities = &Identities::new(cloud);
    let unchanged: Mutex<BTreeMap<&'static str, BTreeSet<String>>> = Mutex::default();
    let (unchanged_ref, name) = (&unchanged, |place: &Place| format!("{}.{}", place.service, place.resource.name));
    let one = |life| async move {
        let life: &Life<'_> = life;
        match live(cloud, identities, life).await {
            Ok(Change::Seen) => Ok(()),
            Ok(Change::None(reason)) => {
                unchanged_ref.lock().unwrap().entry(reason).or_default().insert(name(life.place));
                Ok(())
            }
            Err(error) => Err(format!("{}: {error}", cloud.id(life.place))),
        }
    };
    let wrong = each(&all, one).await;
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    let without: BTreeMap<String, &str> =
        expected.without.iter().map(|(name, reason)| ((*name).to_owned(), *reason)).collect();
    assert_eq!(reasons, without, "tables that rows are not created in");
    assert_eq!(undeleted, expected.kept, "tables whose rows stay");
    let unchanged = unchanged.into_inner().unwrap();
    let known: BTreeMap<&str, BTreeSet<String>> = expected
        .unchanged
        .iter()
        .map(|(reason, names)| (*reason, names.iter().map(|&name| name.to_owned()).collect()))
        .collect();
    assert_eq!(unchanged, known, "tables whose rows are not changed");
    let is_unchanged = |place: &Place| unchanged.values().any(|names| names.contains(&name(place)));
    let whole = all.iter().filter(|life| life.deletes && !is_unchanged(life.place)).count();
    assert_eq!(whole, expected.whole, "tables of {} that are created, read, changed and deleted", all.len());
}

/// Methods that serve no verb and change a row without being told what to: the column that shows it, and its value then.
const DEEDS: [(&str, &str, &str, &str); 2] = [
    ("account.payment_methods", "post_make_payment_method_default", "is_default", "true"),
    ("support.tickets", "post_close_ticket", "status", "closed"),
];

/// A method that serves no verb and changes a row: what it is told, and what columns show then.
type Deed<'a> = (&'a Arc<Method>, Vec<(&'a Parameter, Value)>, BTreeMap<String, String>);

/// The first of the methods below the path of a row that change what columns show.
fn deed<'a>(life: &'a Life<'_>) -> Option<Deed<'a>> {
    let resource = &life.place.resource;
    let name = format!("{}.{}", life.place.service, resource.name);
    let is_key = |parameter: &Parameter| life.keys.columns.contains_key(&parameter.name);
    let path = |method: &Method| method.parameters.iter().filter(|p| p.location == Location::Path).all(is_key);
    let acts = |method: &&Arc<Method>| {
        resource.verb_of(&method.name) == "EXEC"
            && method.effect == Effect::Write
            // Of methods that share a path, and differ in constants of the body, the sandbox knows one.
            && method.request.as_ref().is_none_or(|request| request.base.is_none())
            && method.parameters.iter().any(|p| p.location == Location::Path)
            && path(method)
    };
    resource.methods.values().filter(acts).find_map(|method| {
        let known = DEEDS.iter().find(|(table, deed, ..)| *table == name && *deed == method.name);
        if let Some((_, _, column, value)) = known {
            return Some((method, Vec::new(), BTreeMap::from([((*column).to_owned(), (*value).to_owned())])));
        }
        let told: Vec<_> = needed_fields(method).map(|field| (field, sample(field, life.salt + 1007))).collect();
        let shown: BTreeMap<String, String> = told
            .iter()
            .filter(|(field, _)| column_of(life, field).is_some())
            .map(|(field, value)| (field.name.clone(), text(value)))
            .collect();
        (!shown.is_empty()).then_some((method, told, shown))
    })
}

/// What became of the change of a row.
enum Change {
    /// Its columns show it.
    Seen,
    /// There was none.
    None(&'static str),
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
    // The API has nothing that would change one: a transfer is accepted by the other account, devices and tags are put on and
    // taken off, a range is assigned by `networking.ips`, and who may read a bucket is a table of its own.
    let unchanged: [(&str, &[&str]); 1] = [(
        "nothing changes it",
        &[
            "account.beta_programs",
            "account.entity_transfers",
            "account.payments",
            "account.service_transfers",
            "linode.backups",
            "networking.firewall_devices",
            "networking.ipv6_ranges",
            "object_storage.buckets",
            "tags.tags",
        ],
    )];
    let expected = Expected { whole: 36, without: &without, kept: &kept, unchanged: &unchanged };
    lives(&Cloud::start("linode"), &expected).await;
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
    // What becomes of some is asked for by a POST to their actions, a table of its own; others are made anew.
    let unchanged: [(&str, &[&str]); 2] = [
        ("no column shows what is changed", &["container_registry.garbage_collections", "network.byoip_prefixes"]),
        (
            "nothing changes it",
            &[
                "apps.deployments",
                "compute.certificates",
                "compute.domains",
                "compute.droplets",
                "compute.image_actions",
                "compute.reserved_ips",
                "compute.reserved_ipv6",
                "compute.tags",
                "compute.volume_actions",
                "compute.volume_snapshots",
                "compute.volumes",
                "container_registry.registries",
                "databases.dbs",
                "databases.kafka_schemas",
                "databases.replicas",
                "genai.evaluation_datasets",
                "genai.indexing_jobs",
                "inference.batches",
                "inference.dedicated_inference_tokens",
                "network.floating_ips",
                "serverless.namespaces",
                "storage.access_points",
                "storage.shares",
            ],
        ),
    ];
    let expected = Expected { whole: 40, without: &without, kept: &kept, unchanged: &unchanged };
    lives(&Cloud::start("digitalocean"), &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_lunanode_are_created_read_changed_and_deleted() {
    // Of these the answers to a list are not known, which is for EXEC then.
    let unread = [
        "dns.records",
        "dns.zones",
        "dynamic_dns.dynamic_names",
        "emails.aliases",
        "emails.domains",
        "emails.users",
        "floating_ips.floating_ips",
        "load_balancers.load_balancers",
        "load_balancers.members",
        "monitors.alerts",
        "monitors.contacts",
        "networks.networks",
        "scripts.scripts",
        "security_groups.rules",
        "ssh_keys.ssh_keys",
        "volumes.snapshots",
    ];
    let without = unread.map(|table| (table, "nothing reads it back"));
    let unchanged: [(&str, &[&str]); 1] = [("nothing changes it", &["monitors.checks"])];
    let expected = Expected { whole: 4, without: &without, kept: &[], unchanged: &unchanged };
    lives(&Cloud::start("lunanode"), &expected).await;
}

/// One row from its beginning to its end.
async fn live(cloud: &Cloud, identities: &Identities<'_>, life: &Life<'_>) -> Result<Change, String> {
    let id = cloud.id(life.place);
    let insert = life.insert;
    let mut above = identities.of(life.place, insert, 0).await?;
    above.retain(|key, _| insert.parameters.iter().any(|known| known.name == *key && known.location != Location::Body));
    let mut fields = fields(life, insert, life.salt);
    let deed = deed(life).filter(|_| life.change.is_none());
    for (field, value) in &mut fields {
        // So that the deed is seen.
        if let (Some((_, _, shown)), Value::Bool(yes)) = (&deed, &mut *value)
            && shown.get(&field.name).is_some_and(|shown| *shown == yes.to_string())
        {
            *yes = !*yes;
        }
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

    let mut change = Change::None("nothing changes it");
    if let Some((verb, method)) = life.change {
        change = Change::None("no column shows what is changed");
        // Another number, truth value or choice than before: 1007 has no small divisor.
        let mut set = self::fields(life, method, life.salt + 1007);
        for (field, value) in &mut set {
            // What it is found by stays.
            if let Some((_, _, old)) =
                identity.iter().find(|(parameter, column, _)| *column == field.name || *parameter == field.name)
            {
                *value = old.clone();
            }
        }
        let key = |field: &Parameter| life.keys.columns.iter().any(|(p, c)| *p == field.name || *c == field.name);
        // What is the identity itself stands in WHERE.
        let names_it = |field: &Parameter| {
            let is_twin = method.parameters.iter().any(|p| p.location != Location::Body && p.name == field.name);
            life.keys.columns.contains_key(&field.name) && !is_twin
        };
        set.retain(|(field, _)| !names_it(field) && (field.required || !key(field)));
        let mut shown: Vec<&str> = set
            .iter()
            .map(|(field, _)| *field)
            .filter(|f| column_of(life, f).is_some())
            .map(|f| f.name.as_str())
            .collect();
        if shown.iter().all(|name| key_names(life).contains(name))
            && let Some((field, value)) = nested(life, method)
        {
            set.retain(|(known, _)| known.name != field.name);
            set.push((field, value));
            shown.push(&field.name);
        }
        if !set.is_empty() {
            let assignments: Vec<String> = set
                .iter()
                .map(|(field, value)| format!("{} = {}", name(&format!("data__{}", field.name)), sql(value)))
                .collect();
            let statement = format!("{verb} {id} SET {} WHERE {}", assignments.join(", "), conditions(&identity));
            run(cloud, &statement).await?;
            let before = wanted.clone();
            let told = set.iter().filter(|(field, _)| shown.contains(&field.name.as_str()));
            wanted.extend(told.map(|(field, value)| (field.name.clone(), text(value))));
            if verb == "REPLACE" {
                wanted.retain(|name, _| set.iter().any(|(field, _)| field.name == *name));
            }
            if wanted.iter().any(|(name, value)| before.get(name) != Some(value)) {
                change = Change::Seen;
            }
            holds(cloud, life, &identity, &wanted).await.map_err(|error| format!("after {statement}: {error}"))?;
        }
    }
    if let Some((method, told, shown)) = deed {
        let values = identity.iter().map(|(parameter, _, value)| (parameter.clone(), value.clone())).collect();
        let told: Map<String, Value> = told.into_iter().map(|(field, value)| (field.wire.clone(), value)).collect();
        let body = (!told.is_empty()).then_some(Value::Object(told));
        let statement = super::cloud::statement(&id, method, &values, body);
        run(cloud, &statement).await?;
        let before = wanted.clone();
        wanted.extend(shown);
        holds(cloud, life, &identity, &wanted).await.map_err(|error| format!("after {statement}: {error}"))?;
        if before != wanted {
            change = Change::Seen;
        }
    }
    if !life.deletes {
        return Ok(change);
    }
    let statement = format!("DELETE FROM {id} WHERE {}", conditions(&identity));
    run(cloud, &statement).await?;
    let query = format!("SELECT {} FROM {id} WHERE {}", name(&identity[0].1), conditions(&identity));
    match cloud.db().run(&query).await {
        Ok(gone) if gone.rows.is_empty() => {}
        // Of an error that comes with a 200 nobody can tell that it means an absent row.
        Err(error) if error.kind() == ErrorKind::Api && error.context_value("status") == Some("200") => {}
        Ok(gone) => return Err(format!("{} rows are left after {statement}", gone.rows.len())),
        Err(error) => return Err(format!("{}\n    {query}", line(&error))),
    }
    match raw(cloud, life, &identity).await {
        Ok(None) => {}
        other => return Err(format!("after {statement} the sandbox says {other:?}")),
    }
    match cloud.db().run(&statement).await {
        // An API whose errors come with a 200 has no other status.
        Err(error)
            if error.kind() == ErrorKind::Api && matches!(error.context_value("status"), Some("404" | "200")) =>
        {
            Ok(change)
        }
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

/// A list or an object that a method is told and a column shows, for tables whose plain fields no column shows.
fn nested<'a>(life: &Life<'_>, method: &'a Method) -> Option<(&'a Parameter, Value)> {
    let columns = &life.read.response.columns;
    let is_shown = |field: &&Parameter| {
        field.location == Location::Body
            && matches!(field.ty, ValueType::Object | ValueType::Array)
            && field.values.is_empty()
            && field.column != Some(false)
            && columns.iter().any(|column| column.name == field.name && column.ty == field.ty)
    };
    let field = method.parameters.iter().find(is_shown)?;
    let note = format!("note-{}", life.salt);
    Some((field, if field.ty == ValueType::Array { json!([note]) } else { json!({"note": note}) }))
}

/// The names of what identifies a row.
fn key_names<'a>(life: &'a Life<'_>) -> Vec<&'a str> {
    life.keys.columns.iter().flat_map(|(parameter, column)| [parameter.as_str(), column.as_str()]).collect()
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
        let rows: Vec<&Value> = match item {
            // Rows by their identity.
            Value::Object(rows) => rows.values().collect(),
            rows => rows.as_array().into_iter().flatten().collect(),
        };
        if let Some(found) = rows.iter().copied().find(is_it) {
            return Ok(found.as_object().cloned());
        }
        if rows.is_empty() || !matches!(method.pagination.kind, PageKind::Page { .. }) {
            break;
        }
    }
    Ok(None)
}
