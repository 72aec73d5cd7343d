//! SHOW and DESCRIBE as queries over the tables of metadata. The headings are those of the public registry's tools, so that
//! scripts carry over.

use std::sync::Arc;

use sqlparser::ast::{self, Expr};

use super::spelling::spell;
use super::template;
use crate::engine::Session;
use crate::engine::journal::blocking;
use crate::engine::names::full_name;
use crate::engine::planner::Planner;
use crate::engine::result::QueryResult;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::provider::Registry;
use crate::report::Report;
use crate::sql::{self, Describe, List, Listed, Template};

/// A table's columns, and their headings.
type Columns = &'static [(&'static str, &'static str)];

/// A query over one table of metadata.
struct Asked<'a> {
    table: &'a str,
    /// The table's column, and its heading.
    columns: Vec<(&'a str, &'a str)>,
    /// What must hold, as SQL.
    conditions: Vec<String>,
}

impl Session {
    /// Answers SHOW of a list.
    ///
    /// # Errors
    /// `NameNotFound` with the nearest names; of the condition.
    pub(in crate::engine) async fn list(&mut self, list: List, report: Report) -> Result<QueryResult> {
        let planner = self.planner(&report);
        let List { what, extended, name, like, filter } = list;
        let name = match what.place() {
            Some((parts, usage)) => {
                let name = full_name(&planner.current, &name, parts, usage)?;
                let registry = self.registry();
                blocking(move || spelled_name(&registry, &name)).await?
            }
            None => name,
        };
        let (short, long): (Columns, Columns) = match what {
            Listed::Providers => (
                &[("name", "name"), ("version", "version")],
                &[("title", "title"), ("description", "description"), ("source", "source"), ("error", "error")],
            ),
            Listed::Services => (
                &[("id", "id"), ("name", "name"), ("title", "title")],
                &[("description", "description"), ("version", "version")],
            ),
            Listed::Resources => (&[("name", "name"), ("id", "id")], &[("description", "description")]),
            Listed::Methods => (
                &[("name", "MethodName"), ("required", "RequiredParams"), ("verb", "SQLVerb")],
                &[("description", "description")],
            ),
            Listed::Functions => {
                (&[("name", "name"), ("kind", "kind"), ("syntax", "syntax")], &[("description", "description")])
            }
            Listed::Settings => (&[("name", "name"), ("value", "value"), ("description", "description")], &[]),
            Listed::Tables => (
                &[
                    ("name", "name"),
                    ("kind", "kind"),
                    ("temporary", "temporary"),
                    ("taken", "taken"),
                    ("verdict", "verdict"),
                    ("error", "error"),
                ],
                &[("sql", "sql")],
            ),
            Listed::Views => (&[("name", "name"), ("temporary", "temporary"), ("sql", "sql"), ("error", "error")], &[]),
            Listed::Warnings => (
                &[
                    ("level", "level"),
                    ("code", "code"),
                    ("subject", "subject"),
                    ("count", "count"),
                    ("message", "message"),
                ],
                &[],
            ),
        };
        let (table, scope): (&str, &[&str]) = match what {
            Listed::Providers => ("providers", &[]),
            Listed::Services => ("services", &["provider"]),
            Listed::Resources => ("resources", &["provider", "service"]),
            Listed::Methods => ("methods", &["provider", "service", "resource"]),
            Listed::Functions => ("functions", &[]),
            Listed::Settings => ("settings", &[]),
            Listed::Tables | Listed::Views => ("tables", &[]),
            Listed::Warnings => ("warnings", &[]),
        };
        let liked: &[&str] = match what {
            Listed::Services | Listed::Resources => &["name", "id"],
            Listed::Warnings => &["code", "subject"],
            _ => &["name"],
        };
        let mut conditions: Vec<String> = scope.iter().zip(&name).map(|(column, name)| equals(column, name)).collect();
        if what == Listed::Views {
            conditions.push(equals("kind", "view"));
        }
        if let Some(pattern) = &like {
            let either: Vec<String> =
                liked.iter().map(|column| format!("\"{column}\" ILIKE {}", quoted(pattern))).collect();
            conditions.push(format!("({})", either.join(" OR ")));
        }
        let columns: Vec<(&str, &str)> = short.iter().chain(if extended { long } else { &[] }).copied().collect();
        let headings: Vec<&str> = columns.iter().map(|(_, heading)| *heading).collect();
        let filter = match filter {
            Some(mut filter) => {
                spell(&mut filter, &headings)?;
                Some(*filter)
            }
            None => None,
        };
        self.ask(&planner, &Asked { table, columns, conditions }.text(), filter).await
    }

    /// Answers DESCRIBE.
    ///
    /// # Errors
    /// `NameNotFound` with the nearest names; `Unsupported` for a resource that cannot be selected from.
    pub(in crate::engine) async fn describe(&mut self, what: Describe, report: Report) -> Result<QueryResult> {
        let planner = self.planner(&report);
        let text = match what {
            Describe::Resource { extended, name } => match self.describe_local(&planner, &name).await? {
                Some(text) => text,
                None => {
                    let name = full_name(&planner.current, &name, 3, "DESCRIBE provider.service.resource")?;
                    let registry = self.registry();
                    let name = blocking(move || selectable(&registry, &name)).await?;
                    describe_resource(&name, extended)
                }
            },
            Describe::Method { extended, name } => {
                let name = full_name(&planner.current, &name, 4, "DESCRIBE METHOD provider.service.resource.method")?;
                let registry = self.registry();
                let name = blocking(move || template::method_name(&registry, &name)).await?;
                describe_method(&name, extended)
            }
        };
        self.ask(&planner, &text, None).await
    }

    /// The query for a view or table of the user's own, or a table of metadata.
    async fn describe_local(&self, planner: &Planner, name: &[String]) -> Result<Option<String>> {
        let (scope, name) = (planner.clone(), name.to_vec());
        let found = blocking(move || {
            let scope = scope.scope(Vec::new());
            let parts: Vec<&str> = name.iter().map(String::as_str).collect();
            Ok(match scope.local(&parts) {
                Some(crate::engine::names::Local::Own(name)) => Some((crate::engine::own::SCHEMA, name.to_owned())),
                Some(crate::engine::names::Local::Facts(found)) => Some((found.schema, found.name.to_owned())),
                _ => None,
            })
        })
        .await?;
        Ok(found.map(|(schema, table)| {
            format!(
                "SELECT column_name AS name, data_type AS type FROM local.information_schema.columns WHERE {} AND {} AND {}",
                equals("table_catalog", crate::engine::own::CATALOG),
                equals("table_schema", schema),
                equals("table_name", &table)
            )
        }))
    }

    /// Answers SHOW of a template.
    ///
    /// # Errors
    /// `NameNotFound` with the nearest names; `Unsupported` when the resource has no such method.
    pub(in crate::engine) async fn template(&mut self, wanted: Template, report: Report) -> Result<QueryResult> {
        let parts = if wanted.verb == sql::Verb::Exec { 4 } else { 3 };
        let usage = "SHOW INSERT INTO provider.service.resource";
        let name = full_name(&self.planner(&report).current, &wanted.name, parts, usage)?;
        let registry = self.registry();
        let heading = format!("{}_statement", wanted.verb.name().to_lowercase());
        let text = blocking(move || template::template(&registry, &name, &wanted)).await?;
        QueryResult::passage(&heading, text, report, self.clock())
    }

    /// Runs a query over metadata; it leaves the last report as it is.
    async fn ask(&self, planner: &Planner, text: &str, filter: Option<Expr>) -> Result<QueryResult> {
        let mut query = sql::parse_query(text)?;
        if let Some(filter) = filter
            && let ast::SetExpr::Select(select) = query.body.as_mut()
        {
            select.selection = Some(filter);
        }
        self.read(planner, ast::Statement::Query(Box::new(query))).await
    }
}

impl Asked<'_> {
    /// `SELECT * FROM (SELECT columns FROM table WHERE conditions)`, so that a WHERE of the user's sees headings.
    fn text(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(column, heading)| format!("\"{column}\" AS \"{heading}\"")).collect();
        let conditions = if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        };
        format!(
            "SELECT * FROM (SELECT {} FROM local.skyql.\"{}\"{conditions}) AS shown",
            columns.join(", "),
            self.table
        )
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn equals(column: &str, value: &str) -> String {
    format!("\"{column}\" = {}", quoted(value))
}

/// A name of one to three parts as the documents spell it.
fn spelled_name(registry: &Registry, name: &[String]) -> Result<Vec<String>> {
    Ok(match name {
        [provider] => vec![registry.provider(provider)?.name.clone()],
        [provider, service] => {
            let service = registry.service(provider, service)?;
            vec![service.provider.clone(), service.name.clone()]
        }
        [provider, service, resource] => {
            let (provider, service) = registry.spelled(provider, service)?;
            let resource = registry.resource(&provider, &service, resource)?;
            vec![provider, service, resource.name.clone()]
        }
        _ => name.to_vec(),
    })
}

/// The name of a resource that can be selected from.
fn selectable(registry: &Registry, name: &[String]) -> Result<Vec<String>> {
    let name = spelled_name(registry, name)?;
    if let [provider, service, resource] = name.as_slice() {
        crate::bind::Table::new(provider, service, Arc::clone(&registry.resource(provider, service, resource)?))?;
    }
    Ok(name)
}

fn in_resource(name: &[String]) -> String {
    let columns = ["provider", "service", "resource", "method"];
    columns.iter().zip(name).map(|(column, name)| equals(column, name)).collect::<Vec<_>>().join(" AND ")
}

fn describe_resource(name: &[String], extended: bool) -> String {
    let wanted = in_resource(name);
    if !extended {
        return format!(
            "SELECT name, \"type\" FROM (SELECT name, \"type\", position FROM local.skyql.columns WHERE {wanted}) \
             ORDER BY position"
        );
    }
    format!(
        "SELECT name, \"type\", description, kind, \"values\", \"default\", location, required, limits, read_only, methods FROM (\
         SELECT 0 AS part, '' AS of_method, position, name, \"type\", description, \
           CASE WHEN secret THEN 'secret column' WHEN \"key\" THEN 'key column' ELSE 'column' END AS kind, \"values\", \
           CAST(NULL AS VARCHAR) AS \"default\", CAST(NULL AS VARCHAR) AS location, CAST(NULL AS BOOLEAN) AS required, \
           CAST(NULL AS VARCHAR) AS limits, read_only, methods \
         FROM local.skyql.columns WHERE {wanted} \
         UNION ALL SELECT 1, method AS of_method, position, name, \"type\", description, \
           CASE WHEN secret THEN 'secret parameter' ELSE 'parameter' END, \"values\", \"default\", location, required, \
           {LIMITS}, CAST(NULL AS BOOLEAN), method AS methods \
         FROM local.skyql.parameters WHERE {wanted} AND verb = 'SELECT'\
         ) ORDER BY part, of_method, position"
    )
}

/// `1..500`, `..500`, `1..`.
const LIMITS: &str = "CASE WHEN minimum IS NULL AND maximum IS NULL THEN NULL ELSE \
     concat(regexp_replace(CAST(minimum AS VARCHAR), '\\.0$', ''), '..', regexp_replace(CAST(maximum AS VARCHAR), '\\.0$', '')) END";

fn describe_method(name: &[String], extended: bool) -> String {
    let wanted = in_resource(name);
    let further = if extended { ", description, \"values\", \"default\", limits" } else { "" };
    format!(
        "SELECT name, \"type\", param_type, shape{further} FROM (\
         SELECT 0 AS part, position, name, \"type\", \
           CASE WHEN required THEN 'input_required' ELSE 'input_optional' END AS param_type, location AS shape, \
           description, \"values\", \"default\", {LIMITS} AS limits \
         FROM local.skyql.parameters WHERE {wanted} \
         UNION ALL SELECT 1, position, name, \"type\", 'output', shape, description, \"values\", \
           CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR) \
         FROM local.skyql.outputs WHERE {wanted}\
         ) ORDER BY part, position"
    )
}

/// Shows one setting.
///
/// # Errors
/// `NameNotFound` with the nearest names.
pub(in crate::engine) fn setting(session: &Session, name: &str, report: Report) -> Result<QueryResult> {
    let all = session.settings().list();
    let Some((_, value, _)) = all.iter().find(|(known, _, _)| *known == name) else {
        let error = Error::new(ErrorKind::NameNotFound, format!("SHOW does not know `{name}`"));
        let lists = [
            "providers",
            "services",
            "resources",
            "methods",
            "functions",
            "tables",
            "views",
            "warnings",
            "journal",
            "all",
        ];
        let known = all.iter().map(|(known, _, _)| *known).chain(lists);
        return Err(error.hint(did_you_mean(name, known).unwrap_or_else(|| {
            "PROVIDERS, SERVICES IN p, RESOURCES IN p.s, METHODS IN p.s.r, FUNCTIONS, TABLES, WARNINGS, ALL or a setting"
                .to_owned()
        })));
    };
    QueryResult::table(&[name], vec![vec![Some(value.clone())]], report, session.clock())
}
