//! Names in a query, before it is planned.
//!
//! Provider tables are found whatever their case, arguments of tables become part of the name, `*` leaves out parameters
//! that need not be given, and column names take the API's spelling.

mod spelling;
mod wildcards;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;
use sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, Statement,
    TableAlias, TableFactor, TableWithJoins, VisitorMut,
};

use super::metadata::{Definition, definitions};
use super::names::{Local, NameScope, is_metadata, name_file, respell};
use super::own;
use crate::bind::Table;
use crate::error::{Error, ErrorKind, Position, Result, did_you_mean};
use crate::functions::{JSON_TABLE_COLUMNS, is_json_table};
use crate::provider::Registry;
use crate::scan::encode_arguments;
use crate::sql::walk_mut;
use spelling::Spelling;
use wildcards::Wildcards;

/// Resolves the names of `statement`. Reads the documents of the services that it names: call it off the async threads.
///
/// # Errors
/// All that is wrong with the names of tables: `NameNotFound` with the nearest names; `InvalidArgument` for arguments that
/// are not `name => literal`.
pub(super) fn resolve(registry: &Registry, scope: &NameScope, statement: &mut Statement) -> Result<(), Vec<Error>> {
    resolve_names(registry, scope, None, statement)
}

/// The one that is told where one is.
pub(super) fn first(errors: Vec<Error>) -> Error {
    let none = || Error::new(ErrorKind::Internal, "names were refused without a reason");
    errors.into_iter().next().unwrap_or_else(none)
}

/// Further columns that a statement may name: those of a table that no document describes.
#[derive(Debug)]
pub(super) struct TargetColumns {
    /// What the table is called.
    pub(super) relation: String,
    /// Its columns.
    pub(super) columns: Vec<String>,
}

/// A query whose tables have whole names, and that is otherwise as it was; names that mean nothing stay as they are.
pub(super) fn with_whole_names(registry: &Registry, scope: &NameScope, query: Query) -> Query {
    let mut query = query;
    let mut names = Names::default();
    walk_mut(&mut query, &mut names);
    walk_mut(&mut query, &mut WholeNames { registry, scope, ctes: &names.ctes });
    query
}

struct WholeNames<'a> {
    registry: &'a Registry,
    scope: &'a NameScope,
    ctes: &'a HashSet<String>,
}

impl VisitorMut for WholeNames<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor {
            let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.clone()).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let is_cte = matches!(parts.as_slice(), [one] if self.ctes.contains(&one.to_lowercase()));
            if parts.len() == name.0.len()
                && !is_cte
                && self.scope.local(&parts).is_none()
                && let Some(whole) = self.scope.whole_name(self.registry, &parts)
            {
                respell(name, &whole.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        ControlFlow::Continue(())
    }
}

/// [`resolve`] for a statement that reads such a table too.
///
/// # Errors
/// As [`resolve`].
pub(super) fn resolve_over(
    registry: &Registry,
    scope: &NameScope,
    target: &TargetColumns,
    statement: &mut Statement,
) -> Result<()> {
    resolve_names(registry, scope, Some(target), statement).map_err(first)
}

fn resolve_names(
    registry: &Registry,
    scope: &NameScope,
    target: Option<&TargetColumns>,
    statement: &mut Statement,
) -> Result<(), Vec<Error>> {
    let mut names = Names::default();
    walk_mut(statement, &mut names);
    let (known, facts, errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut tables = Tables { registry, scope, ctes: &names.ctes, known, facts, errors };
    walk_mut(statement, &mut tables);
    let Tables { known, facts, errors, .. } = tables;
    if !errors.is_empty() {
        return Err(errors);
    }
    if !known.is_empty() || target.is_some() || !facts.is_empty() || names.json_tables {
        walk_mut(statement, &mut Wildcards { known: &known });
        let further: Vec<String> = facts.iter().flat_map(|facts| facts.column_names()).map(str::to_owned).collect();
        let mut spelling = Spelling::new(&known, target, &further, &names);
        walk_mut(statement, &mut spelling);
    }
    Ok(())
}

/// A provider table that the statement names.
#[derive(Debug)]
struct Known {
    /// The name as it stands in the statement after resolving.
    name: ObjectName,
    table: Arc<Table>,
}

/// Names that the statement itself introduces.
#[derive(Debug, Default)]
struct Names {
    ctes: HashSet<String>,
    aliases: BTreeSet<String>,
    relations: BTreeSet<String>,
    json_tables: bool,
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.to_lowercase());
            self.relations.insert(cte.alias.name.value.clone());
            self.aliases.extend(cte.alias.columns.iter().map(|column| column.name.value.clone()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.aliases.insert(alias.value.clone());
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if make_lateral(factor) {
            self.json_tables = true;
            self.aliases.extend(JSON_TABLE_COLUMNS.map(str::to_owned));
        }
        if let Some(alias) = alias_of(factor) {
            self.relations.insert(alias.name.value.clone());
            self.aliases.extend(alias.columns.iter().map(|column| column.name.value.clone()));
        }
        ControlFlow::Continue(())
    }
}

/// Makes `json_each(t.tags)` a relation that may refer to those before it, and that has a name; whether it is such a one.
fn make_lateral(factor: &mut TableFactor) -> bool {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &mut args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return false,
    };
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return false };
    if !is_json_table(&ident.value) {
        return false;
    }
    let alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(ident.value.to_lowercase()),
        columns: Vec::new(),
        at: None,
    });
    let (name, args) = (name.clone(), std::mem::take(args));
    *factor = TableFactor::Function { lateral: true, name, args, with_ordinality: false, alias: Some(alias) };
    true
}

fn alias_of(factor: &TableFactor) -> Option<&TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
        _ => None,
    }
}

/// Finds provider tables.
struct Tables<'a> {
    registry: &'a Registry,
    scope: &'a NameScope,
    ctes: &'a HashSet<String>,
    known: Vec<Known>,
    /// The tables of metadata that the statement names.
    facts: Vec<&'static Definition>,
    errors: Vec<Error>,
}

impl VisitorMut for Tables<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if !query.locks.is_empty() {
            self.errors.push(ignored("FOR UPDATE", "an API locks no rows: leave it out"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, args, sample, .. } = factor else { return ControlFlow::Continue(()) };
        if sample.is_some() {
            self.errors.push(ignored("TABLESAMPLE", "`WHERE random() < 0.1` takes about a tenth of the rows"));
        }
        if let Err(error) = self.table(name, alias, args) {
            self.errors.push(error);
        }
        ControlFlow::Continue(())
    }
}

/// The planner would read over it.
fn ignored(what: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} is not supported")).hint(hint)
}

impl Tables<'_> {
    fn table(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        args: &mut Option<ast::TableFunctionArgs>,
    ) -> Result<()> {
        let idents: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
        if idents.len() != name.0.len() {
            return Ok(());
        }
        let at = idents.first().map(|ident| Position { line: ident.span.start.line, column: ident.span.start.column });
        let here = |error: Error| match at.filter(|at| at.line > 0) {
            Some(at) => error.at(at),
            None => error,
        };
        let parts: Vec<&str> = idents.iter().map(|ident| ident.value.as_str()).collect();
        if let [file] = idents.as_slice()
            && file.quote_style == Some('\'')
        {
            name_file(name, alias);
            return Ok(());
        }
        if let [one] = parts.as_slice()
            && self.ctes.contains(&one.to_lowercase())
        {
            return Ok(());
        }
        match self.scope.local(&parts) {
            Some(Local::Facts(found)) => {
                respell(name, &[own::CATALOG, found.schema, found.name]);
                self.facts.push(found);
                return Ok(());
            }
            Some(Local::Own(spelled)) if args.is_none() || parts.len() > 1 => {
                let spelled = spelled.to_owned();
                respell(name, &[own::CATALOG, own::SCHEMA, &spelled]);
                return Ok(());
            }
            Some(Local::Unknown) => return Ok(()),
            Some(Local::Own(_)) | None => {}
        }
        let whole = self.scope.whole_name(self.registry, &parts);
        let parts = whole.as_ref().map_or(parts, |whole| whole.iter().map(String::as_str).collect());
        match parts.as_slice() {
            [provider, service, resource] => {
                let (provider, service) = self.registry.spelled(provider, service).map_err(here)?;
                let resource = self.registry.resource(&provider, &service, resource).map_err(here)?;
                let table = Arc::new(Table::new(&provider, &service, Arc::clone(&resource)).map_err(here)?);
                let arguments = match args.take() {
                    Some(args) => arguments(&args.args).map_err(here)?,
                    None => BTreeMap::new(),
                };
                if alias.is_none() && !arguments.is_empty() {
                    *alias = Some(TableAlias {
                        explicit: true,
                        name: Ident::with_quote('"', &resource.name),
                        columns: Vec::new(),
                        at: None,
                    });
                }
                let encoded = encode_arguments(&resource.name, &arguments);
                let spelled = [provider.as_str(), service.as_str(), encoded.as_str()];
                respell(name, &spelled);
                self.known.push(Known { name: name.clone(), table });
                Ok(())
            }
            [one] if args.is_none() => {
                // A provider's or service's name alone is a slip; anything else may be a view of the session.
                if self.registry.provider(one).is_ok() {
                    return Err(here(
                        Error::new(ErrorKind::NameNotFound, format!("`{one}` is a provider, not a table")).hint(
                            format!(
                                "name a table as `{one}.service.resource`; `SHOW SERVICES IN {one}` lists its services"
                            ),
                        ),
                    ));
                }
                Ok(())
            }
            [first, second] if is_metadata(first) => {
                let known = definitions().iter().filter(|known| known.schema.eq_ignore_ascii_case(first));
                let error = Error::new(ErrorKind::NameNotFound, format!("there is no table `{first}.{second}`"));
                let names: Vec<&str> = known.map(|known| known.name).collect();
                Err(here(error.hint(did_you_mean(second, names.iter().copied()).unwrap_or_else(|| {
                    format!("it has {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
                }))))
            }
            [first, second] if self.registry.provider(first).is_ok() => {
                Err(here(Error::new(ErrorKind::NameNotFound, format!("`{first}.{second}` is not a table")).hint(
                    format!("name it `{first}.{second}.resource`; `SHOW RESOURCES IN {first}.{second}` lists them"),
                )))
            }
            [_, _, _, ..] => Err(here(
                Error::new(ErrorKind::NameNotFound, format!("`{}` has too many parts for a table", parts.join(".")))
                    .hint("a table is `provider.service.resource`"),
            )),
            _ => Ok(()),
        }
    }
}

/// `(type => 'base', page => 2)`.
fn arguments(args: &[FunctionArg]) -> Result<BTreeMap<String, Value>> {
    let wrong = || {
        Error::new(ErrorKind::InvalidArgument, "arguments of a table are given as `name => literal`")
            .hint("for example `FROM p.s.images(type => 'base')`")
    };
    let mut given = BTreeMap::new();
    for arg in args {
        let (name, value) = match arg {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => (name.value.clone(), value),
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                (name.value.clone(), value)
            }
            _ => return Err(wrong()),
        };
        let value = literal(value).ok_or_else(wrong)?;
        if given.insert(name.clone(), value).is_some() {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is given twice")));
        }
    }
    Ok(given)
}

fn literal(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) => serde_json::from_str(text).ok(),
            ast::Value::Boolean(b) => Some(Value::Bool(*b)),
            other => other.clone().into_string().map(Value::from),
        },
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match literal(expr)? {
            Value::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(n), _) => Some(Value::from(-n)),
                (None, Some(f)) => Some(Value::from(-f)),
                _ => None,
            },
            _ => None,
        },
        Expr::Array(array) => array.elem.iter().map(literal).collect::<Option<Vec<_>>>().map(Value::Array),
        _ => None,
    }
}

fn all_factors(from: &TableWithJoins) -> Vec<&TableFactor> {
    let mut all = Vec::new();
    for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => all.extend(all_factors(table_with_joins)),
            other => all.push(other),
        }
    }
    all
}

fn qualifier(factor: &TableFactor) -> Option<ObjectName> {
    match (alias_of(factor), factor) {
        (Some(alias), _) => Some(ObjectName::from(vec![alias.name.clone()])),
        (None, TableFactor::Table { name, args: None, .. }) => Some(name.clone()),
        _ => None,
    }
}

/// Whether `name` in `name.*` is that relation: its alias, or the last parts of its name.
fn same_relation(relation: &ObjectName, name: &ObjectName) -> bool {
    let text = |name: &ObjectName| -> Vec<String> {
        name.0.iter().map(|part| part.to_string().trim_matches(['"', '`']).to_lowercase()).collect()
    };
    text(relation).ends_with(&text(name))
}
