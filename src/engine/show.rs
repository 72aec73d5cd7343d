//! SHOW and DESCRIBE. The columns are those of the public registry's tools, so that scripts carry over.

use std::sync::Arc;

use arrow::array::{Scalar, StringArray};

use super::Engine;
use super::result::QueryResult;
use crate::bind::literal_text;
use crate::clock::SharedClock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::provider::{Column, ItemShape, Location, Method, Parameter, Registry};
use crate::report::{QueryReport, Report};
use crate::sql::{Describe, Show};

type Row = Vec<Option<String>>;

/// Answers SHOW.
pub(super) async fn show(
    engine: &Engine,
    what: Show,
    settings: &Settings,
    last: Option<&Report>,
    report: Report,
    clock: SharedClock,
) -> Result<QueryResult> {
    let (headings, rows): (&[&str], Vec<Row>) = match what {
        Show::Warnings => {
            let seen = last.map(|last| last.snapshot(clock.now())).unwrap_or_default();
            (&["level", "code", "subject", "count", "message"], warnings(&seen))
        }
        Show::Settings => (&["name", "value", "description"], settings_rows(settings)),
        Show::Setting(name) => {
            let all = settings.list();
            let found = all.iter().find(|(known, _, _)| *known == name);
            let Some((_, value, _)) = found else {
                let error = Error::new(ErrorKind::NameNotFound, format!("SHOW does not know `{name}`"));
                let known = all.iter().map(|(known, _, _)| *known);
                let known = known.chain(["providers", "services", "resources", "methods", "warnings", "all"]);
                return Err(error.hint(did_you_mean(&name, known).unwrap_or_else(|| {
                    "PROVIDERS, SERVICES IN p, RESOURCES IN p.s, METHODS IN p.s.r, WARNINGS, ALL or a setting"
                        .to_owned()
                })));
            };
            return QueryResult::table(&[name.as_str()], vec![vec![Some(value.clone())]], report, clock);
        }
        Show::Journal { .. } => {
            return Err(Error::new(ErrorKind::Internal, "the journal is read by the session"));
        }
        Show::Providers { like } => {
            let registry = Arc::clone(&engine.core().registry);
            let report = report.clone();
            (&["name", "version"], off_thread(move || Ok(providers(&registry, like.as_deref(), &report))).await?)
        }
        Show::Services { extended, name, like } => {
            let registry = Arc::clone(&engine.core().registry);
            let rows = off_thread(move || services(&registry, &name, like.as_deref(), extended)).await?;
            (if extended { &["id", "name", "title", "description", "version"] } else { &["id", "name", "title"] }, rows)
        }
        Show::Resources { extended, name, like } => {
            let registry = Arc::clone(&engine.core().registry);
            let rows = off_thread(move || resources(&registry, &name, like.as_deref(), extended)).await?;
            (if extended { &["name", "id", "description"] } else { &["name", "id"] }, rows)
        }
        Show::Methods { extended, name, like } => {
            let registry = Arc::clone(&engine.core().registry);
            let rows = off_thread(move || methods(&registry, &name, like.as_deref(), extended)).await?;
            let headings: &[&str] = if extended {
                &["MethodName", "RequiredParams", "SQLVerb", "description"]
            } else {
                &["MethodName", "RequiredParams", "SQLVerb"]
            };
            (headings, rows)
        }
    };
    QueryResult::table(headings, rows, report, clock)
}

/// Answers DESCRIBE.
pub(super) async fn describe(
    engine: &Engine,
    what: Describe,
    report: Report,
    clock: SharedClock,
) -> Result<QueryResult> {
    let registry = Arc::clone(&engine.core().registry);
    let (headings, rows): (&[&str], Vec<Row>) = match what {
        Describe::Resource { extended, name } => {
            let rows = off_thread(move || describe_resource(&registry, &name, extended)).await?;
            (
                if extended {
                    &["name", "type", "description", "kind", "values", "default"]
                } else {
                    &["name", "type"]
                },
                rows,
            )
        }
        Describe::Method { extended, name } => {
            let rows = off_thread(move || describe_method(&registry, &name, extended)).await?;
            let headings: &[&str] = if extended {
                &["name", "type", "param_type", "shape", "description"]
            } else {
                &["name", "type", "param_type", "shape"]
            };
            (headings, rows)
        }
    };
    QueryResult::table(headings, rows, report, clock)
}

/// Documents may be megabytes of YAML.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "reading documents ended unexpectedly").caused_by(error))?
}

#[expect(clippy::unnecessary_wraps, reason = "a cell may be NULL; this one is not")]
fn cell(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

/// Text that is there, or NULL.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn warnings(seen: &QueryReport) -> Vec<Row> {
    let mut rows: Vec<Row> = seen
        .warnings
        .iter()
        .map(|w| vec![cell("warning"), cell(w.code), cell(&w.subject), cell(w.count.to_string()), cell(&w.message)])
        .collect();
    if seen.not_found > 0 {
        let message = "keys for which the API has no object gave no row";
        rows.push(vec![cell("note"), cell("not_found"), None, cell(seen.not_found.to_string()), cell(message)]);
    }
    for part in &seen.parts {
        if part.verdict == crate::report::Verdict::Truncated {
            let subject =
                if part.part.is_empty() { part.table.clone() } else { format!("{}: {}", part.table, part.part) };
            rows.push(vec![cell("note"), cell("truncated"), cell(subject), cell("1"), cell(&part.reason)]);
        }
    }
    rows
}

fn settings_rows(settings: &Settings) -> Vec<Row> {
    settings.list().into_iter().map(|(name, value, meaning)| vec![cell(name), cell(value), cell(meaning)]).collect()
}

/// SQL's LIKE, without regard to case.
fn matches(pattern: Option<&str>, texts: &[&str]) -> bool {
    let Some(pattern) = pattern else { return true };
    let names = StringArray::from(texts.to_vec());
    let pattern = Scalar::new(StringArray::from(vec![pattern]));
    arrow::compute::ilike(&names, &pattern).is_ok_and(|found| found.true_count() > 0)
}

/// A provider whose document is broken is listed all the same, with a warning.
fn providers(registry: &Registry, like: Option<&str>, report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in registry.provider_names() {
        if !matches(like, &[&name]) {
            continue;
        }
        let version = match registry.provider(&name) {
            Ok(provider) => cell(&provider.version),
            Err(error) => {
                report.warn("broken", &name, error.to_string());
                None
            }
        };
        rows.push(vec![cell(name), version]);
    }
    rows
}

fn services(registry: &Registry, name: &[String], like: Option<&str>, extended: bool) -> Result<Vec<Row>> {
    let provider = registry.provider(part(name, 0))?;
    let rows =
        provider.services.values().filter(|service| matches(like, &[&service.id, &service.name])).map(|service| {
            let mut row = vec![cell(&service.id), cell(&service.name), some(&service.title)];
            if extended {
                row.extend([some(&service.description), some(&service.version)]);
            }
            row
        });
    Ok(rows.collect())
}

fn resources(registry: &Registry, name: &[String], like: Option<&str>, extended: bool) -> Result<Vec<Row>> {
    let service = registry.service(part(name, 0), part(name, 1))?;
    let rows =
        service.resources.values().filter(|resource| matches(like, &[&resource.id, &resource.name])).map(|resource| {
            let mut row = vec![cell(&resource.name), cell(&resource.id)];
            if extended {
                row.push(some(&resource.description));
            }
            row
        });
    Ok(rows.collect())
}

fn methods(registry: &Registry, name: &[String], like: Option<&str>, extended: bool) -> Result<Vec<Row>> {
    let resource = registry.resource(part(name, 0), part(name, 1), part(name, 2))?;
    let mut listed: Vec<(usize, &Arc<Method>)> = Vec::new();
    for method in resource.methods.values() {
        listed.push((verb_rank(resource.verb_of(&method.name)), method));
    }
    listed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let rows = listed.into_iter().filter(|(_, method)| matches(like, &[&method.name])).map(|(_, method)| {
        let mut row = vec![cell(&method.name), cell(required(method)), cell(resource.verb_of(&method.name))];
        if extended {
            row.push(some(&method.description));
        }
        row
    });
    Ok(rows.collect())
}

fn verb_rank(verb: &str) -> usize {
    ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "EXEC"].iter().position(|known| *known == verb).unwrap_or(6)
}

/// Required parameters, then required body fields in the document's spelling.
fn required(method: &Method) -> String {
    let mut outside: Vec<String> = Vec::new();
    let mut fields: Vec<String> = Vec::new();
    for parameter in method.needs() {
        if parameter.location == Location::Body {
            fields.push(body_name(method, parameter));
        } else {
            outside.push(parameter.name.clone());
        }
    }
    outside.sort();
    fields.sort();
    outside.extend(fields);
    outside.join(", ")
}

fn body_name(method: &Method, parameter: &Parameter) -> String {
    let prefixed = method.request.as_ref().is_some_and(|request| request.prefixed);
    if prefixed { format!("data__{}", parameter.name) } else { parameter.name.clone() }
}

fn describe_resource(registry: &Registry, name: &[String], extended: bool) -> Result<Vec<Row>> {
    let resource = registry.resource(part(name, 0), part(name, 1), part(name, 2))?;
    let id = format!("{}.{}.{}", part(name, 0), part(name, 1), resource.name);
    let selects: Vec<&Arc<Method>> = resource.methods_of(&resource.verbs.select).collect();
    if selects.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, format!("`{id}` cannot be selected from"))
            .hint(format!("`SHOW METHODS IN {id}` lists what it can do")));
    }
    let mut columns: Vec<&Column> = Vec::new();
    for column in selects.iter().flat_map(|method| &method.response.columns) {
        if !columns.iter().any(|known| known.name == column.name) {
            columns.push(column);
        }
    }
    // The usual way round: what a row is called comes first.
    let rank =
        |column: &&Column| ["id", "name", "description"].iter().position(|first| *first == column.name).unwrap_or(3);
    columns.sort_by_key(rank);
    let mut rows: Vec<Row> = columns
        .iter()
        .map(|column| {
            let mut row = vec![cell(&column.name), cell(column.ty.name())];
            if extended {
                row.extend([some(&column.description), cell("column"), values(&column.values), None]);
            }
            row
        })
        .collect();
    if extended {
        rows.extend(parameters(&selects));
    }
    Ok(rows)
}

/// The parameters of the SELECT methods, each with the methods that take it.
fn parameters(selects: &[&Arc<Method>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for parameter in selects.iter().flat_map(|method| &method.parameters) {
        if seen.contains(&parameter.name.as_str()) {
            continue;
        }
        seen.push(&parameter.name);
        let users: Vec<String> = selects
            .iter()
            .filter_map(|method| {
                let own = method.parameters.iter().find(|known| known.name == parameter.name)?;
                let how = if own.required && own.default.is_none() { "required" } else { "optional" };
                Some(format!("{} ({}, {how})", method.name, own.location))
            })
            .collect();
        let limits = match (parameter.minimum, parameter.maximum) {
            (None, None) => None,
            (low, high) => Some(format!(
                "{}..{}",
                low.map(|n| n.to_string()).unwrap_or_default(),
                high.map(|n| n.to_string()).unwrap_or_default()
            )),
        };
        rows.push(vec![
            cell(&parameter.name),
            cell(parameter.ty.name()),
            some(&parameter.description),
            cell(format!("parameter of {}", users.join(", "))),
            values(&parameter.values).or(limits),
            parameter.default.as_ref().map(literal_text),
        ]);
    }
    rows
}

fn values(values: &[serde_json::Value]) -> Option<String> {
    (!values.is_empty()).then(|| values.iter().map(literal_text).collect::<Vec<_>>().join(", "))
}

fn describe_method(registry: &Registry, name: &[String], extended: bool) -> Result<Vec<Row>> {
    let resource = registry.resource(part(name, 0), part(name, 1), part(name, 2))?;
    let wanted = part(name, 3);
    let Some(method) = resource.method(wanted) else {
        let id = format!("{}.{}.{}", part(name, 0), part(name, 1), resource.name);
        let error = Error::new(ErrorKind::NameNotFound, format!("`{id}` has no method `{wanted}`"));
        let known =
            resource.methods.values().flat_map(|m| std::iter::once(&m.name).chain(&m.aliases)).map(String::as_str);
        return Err(
            error.hint(did_you_mean(wanted, known).unwrap_or_else(|| format!("`SHOW METHODS IN {id}` lists them")))
        );
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut inputs: Vec<&Parameter> = method.parameters.iter().collect();
    inputs.sort_by_key(|parameter| !(parameter.required && parameter.default.is_none()));
    for parameter in inputs {
        let needed = parameter.required && parameter.default.is_none() && parameter.env.is_none();
        let shown =
            if parameter.location == Location::Body { body_name(method, parameter) } else { parameter.name.clone() };
        let mut row = vec![
            cell(shown),
            cell(parameter.ty.name()),
            cell(if needed { "input_required" } else { "input_optional" }),
            cell(parameter.location.to_string()),
        ];
        if extended {
            row.push(some(&parameter.description));
        }
        rows.push(row);
    }
    let shape = match method.response.items {
        ItemShape::List => "row of a list",
        ItemShape::Object => "object",
        ItemShape::Map => "row of a map",
        ItemShape::Scalar => "value",
        ItemShape::Binary => "bytes",
        ItemShape::Empty => "nothing",
    };
    for column in &method.response.columns {
        let mut row = vec![cell(&column.name), cell(column.ty.name()), cell("output"), cell(shape)];
        if extended {
            row.push(some(&column.description));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn part(name: &[String], at: usize) -> &str {
    name.get(at).map_or("", String::as_str)
}
