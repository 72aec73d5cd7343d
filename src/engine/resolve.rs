//! Names in a query, before it is planned.
//!
//! Provider tables are found whatever their case, arguments of tables become part of the name, `*` leaves out parameters
//! that need not be given, and column names take the API's spelling.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;
use sqlparser::ast::{
    self, ExcludeSelectItem, Expr, FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, Statement, TableAlias, TableFactor,
    TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::metadata::{Definition, definitions};
use super::names::{Local, NameScope, is_metadata, name_file, respell};
use super::own;
use crate::bind::Table;
use crate::error::{Error, ErrorKind, Position, Result, did_you_mean, fold_name};
use crate::functions::{JSON_TABLE_COLUMNS, is_json_table};
use crate::provider::Registry;
use crate::scan::encode_arguments;

/// Resolves the names of `statement`. Reads the documents of the services that it names: call it off the async threads.
///
/// # Errors
/// `NameNotFound` with the nearest names; `InvalidArgument` for arguments that are not `name => literal`.
pub(super) fn resolve(registry: &Registry, scope: &NameScope, statement: &mut Statement) -> Result<()> {
    resolve_names(registry, scope, None, statement)
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
    let _ = VisitMut::visit(&mut query, &mut names);
    let _ = VisitMut::visit(&mut query, &mut WholeNames { registry, scope, ctes: &names.ctes });
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
    resolve_names(registry, scope, Some(target), statement)
}

fn resolve_names(
    registry: &Registry,
    scope: &NameScope,
    target: Option<&TargetColumns>,
    statement: &mut Statement,
) -> Result<()> {
    let mut names = Names::default();
    let _ = VisitMut::visit(statement, &mut names);

    let mut tables = Tables { registry, scope, ctes: &names.ctes, known: Vec::new(), facts: Vec::new(), error: None };
    let _ = VisitMut::visit(statement, &mut tables);
    if let Some(error) = tables.error {
        return Err(error);
    }
    let Tables { known, facts, .. } = tables;
    if !known.is_empty() || target.is_some() || !facts.is_empty() || names.json_tables {
        let _ = VisitMut::visit(statement, &mut Wildcards { known: &known });
        let further: Vec<String> = facts.iter().flat_map(|facts| facts.column_names()).map(str::to_owned).collect();
        let mut spelling = Spelling::new(&known, target, &further, &names);
        let _ = VisitMut::visit(statement, &mut spelling);
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
    error: Option<Error>,
}

impl VisitorMut for Tables<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, args, .. } = factor else { return ControlFlow::Continue(()) };
        match self.table(name, alias, args) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
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
                let provider = self.registry.provider(provider).map_err(here)?;
                let service = self.registry.service(&provider.name, service).map_err(here)?;
                let resource = self.registry.resource(&provider.name, &service.name, resource).map_err(here)?;
                let table = Arc::new(Table::new(&provider.name, &service.name, Arc::clone(&resource)).map_err(here)?);
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
                let spelled = [provider.name.as_str(), service.name.as_str(), encoded.as_str()];
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

/// Takes optional parameters out of `*`.
struct Wildcards<'a> {
    known: &'a [Known],
}

impl Wildcards<'_> {
    fn hidden(&self, factor: &TableFactor) -> Vec<String> {
        let TableFactor::Table { name, .. } = factor else { return Vec::new() };
        let Some(known) = self.known.iter().find(|known| &known.name == name) else { return Vec::new() };
        known.table.columns.iter().filter(|column| column.hidden).map(|column| column.name.clone()).collect()
    }

    /// A column's name as one of the relations spells it.
    fn spelled(&self, factors: &[&TableFactor], name: &str) -> String {
        let mut tables = factors.iter().filter_map(|factor| match factor {
            TableFactor::Table { name, .. } => self.known.iter().find(|known| &known.name == name),
            _ => None,
        });
        let found = tables.find_map(|known| known.table.column(name).map(|at| known.table.columns[at].name.clone()));
        found.unwrap_or_else(|| name.to_owned())
    }
}

/// The columns that one `JOIN … USING` makes one of, and which of the two relations gives them. The planner's own choice goes
/// by the relations' names, so that `*` would show NULL for rows that only the other side has.
fn using_columns(from: &[TableWithJoins]) -> Option<(usize, Vec<Ident>)> {
    let [from] = from else { return None };
    let [join] = from.joins.as_slice() else { return None };
    let (kept, constraint) = match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint) => (0, constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (1, constraint),
        _ => return None,
    };
    let JoinConstraint::Using(names) = constraint else { return None };
    // A join inside parentheses is more than one relation.
    if all_factors(from).len() != 2 {
        return None;
    }
    let names = names.iter().map(|name| match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident.clone()),
        _ => None,
    });
    Some((kept, names.collect::<Option<_>>()?))
}

impl VisitorMut for Wildcards<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors: Vec<&TableFactor> = select.from.iter().flat_map(all_factors).collect();
        let merged = select.from.iter().any(merges_columns);
        let hidden: Vec<Vec<String>> = factors.iter().map(|factor| self.hidden(factor)).collect();
        let qualifiers: Vec<Option<ObjectName>> = factors.iter().map(|factor| qualifier(factor)).collect();
        for item in &mut select.projection {
            // The planner takes `images.*` only for a relation of that whole name.
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && let Some(whole) = qualifiers.iter().flatten().find(|qualifier| same_relation(qualifier, name))
            {
                name.clone_from(whole);
            }
        }
        let using = using_columns(&select.from);
        if hidden.iter().all(Vec::is_empty) && using.is_none() {
            return ControlFlow::Continue(());
        }
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in select.projection.drain(..) {
            match item {
                SelectItem::Wildcard(options)
                    if using.is_some() && is_plain(&options) && qualifiers.iter().all(Option::is_some) =>
                {
                    let Some((kept, merged)) = &using else { continue };
                    let merged: Vec<String> = merged.iter().map(|name| self.spelled(&factors, &name.value)).collect();
                    for name in &merged {
                        let qualifier = qualifiers[*kept].iter().flat_map(|qualifier| &qualifier.0);
                        let parts = qualifier.filter_map(|part| part.as_ident()).cloned();
                        let parts = parts.chain([Ident::with_quote('"', name)]).collect();
                        projection.push(SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)));
                    }
                    for (at, qualifier) in qualifiers.iter().enumerate() {
                        let Some(qualifier) = qualifier else { continue };
                        let mut options = WildcardAdditionalOptions::default();
                        exclude(&mut options, &merged);
                        exclude(&mut options, &hidden[at]);
                        projection.push(SelectItem::QualifiedWildcard(
                            SelectItemQualifiedWildcardKind::ObjectName(qualifier.clone()),
                            options,
                        ));
                    }
                }
                SelectItem::Wildcard(options)
                    if factors.len() > 1 && !merged && is_plain(&options) && qualifiers.iter().all(Option::is_some) =>
                {
                    for (qualifier, hidden) in qualifiers.iter().zip(&hidden) {
                        let Some(qualifier) = qualifier else { continue };
                        let mut options = WildcardAdditionalOptions::default();
                        exclude(&mut options, hidden);
                        projection.push(SelectItem::QualifiedWildcard(
                            SelectItemQualifiedWildcardKind::ObjectName(qualifier.clone()),
                            options,
                        ));
                    }
                }
                SelectItem::Wildcard(mut options) => {
                    let all: Vec<String> = hidden.iter().flatten().cloned().collect();
                    exclude(&mut options, &all);
                    projection.push(SelectItem::Wildcard(options));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), mut options) => {
                    let matching = qualifiers.iter().zip(&hidden).find(|(qualifier, _)| {
                        qualifier.as_ref().is_some_and(|qualifier| same_relation(qualifier, &name))
                    });
                    if let Some((_, hidden)) = matching {
                        exclude(&mut options, hidden);
                    }
                    projection.push(SelectItem::QualifiedWildcard(
                        SelectItemQualifiedWildcardKind::ObjectName(name),
                        options,
                    ));
                }
                other => projection.push(other),
            }
        }
        select.projection = projection;
        ControlFlow::Continue(())
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

/// Whether USING or NATURAL makes one column of two: then `*` cannot be taken apart by relation.
fn merges_columns(from: &TableWithJoins) -> bool {
    from.joins.iter().any(|join| {
        let (JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint)) = &join.join_operator
        else {
            return false;
        };
        matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
    })
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

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn exclude(options: &mut WildcardAdditionalOptions, hidden: &[String]) {
    let mut names: Vec<ObjectName> = match options.opt_exclude.take() {
        Some(ExcludeSelectItem::Single(name)) => vec![name],
        Some(ExcludeSelectItem::Multiple(names)) => names,
        None => Vec::new(),
    };
    let mut taken: HashSet<String> = names.iter().map(|name| name.to_string().trim_matches('"').to_owned()).collect();
    if let Some(except) = &options.opt_except {
        taken.insert(except.first_element.value.clone());
        taken.extend(except.additional_elements.iter().map(|ident| ident.value.clone()));
    }
    for name in hidden {
        if taken.insert(name.clone()) {
            names.push(ObjectName::from(vec![Ident::with_quote('"', name)]));
        }
    }
    if !names.is_empty() {
        options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
    }
}

/// Gives unquoted names the spelling of the column, alias or relation that they mean.
struct Spelling<'a> {
    known: &'a [Known],
    exact: HashSet<String>,
    /// Lower case → spelling; `None` where two spellings compete.
    folded: BTreeMap<String, Option<String>>,
    /// The same without separators: `image_id` and `imageId`.
    unseparated: BTreeMap<String, Option<String>>,
    relations: BTreeMap<String, Option<String>>,
}

impl<'a> Spelling<'a> {
    fn new(known: &'a [Known], target: Option<&TargetColumns>, further: &[String], names: &Names) -> Self {
        let columns: Vec<&String> = known
            .iter()
            .flat_map(|known| known.table.columns.iter().map(|c| &c.name))
            .chain(target.iter().flat_map(|target| &target.columns))
            .chain(further)
            .collect();
        let exact = columns.iter().copied().chain(&names.aliases).cloned().collect();
        let mut folded = BTreeMap::new();
        let mut unseparated = BTreeMap::new();
        for name in columns {
            add(&mut folded, name.to_lowercase(), name);
            add(&mut unseparated, fold_name(name), name);
        }
        // An alias is nearer than a column.
        for alias in &names.aliases {
            folded.insert(alias.to_lowercase(), Some(alias.clone()));
        }
        let mut relations = BTreeMap::new();
        for relation in &names.relations {
            add(&mut relations, relation.to_lowercase(), relation);
        }
        if let Some(target) = target {
            add(&mut relations, target.relation.to_lowercase(), &target.relation);
        }
        for known in known {
            for name in [&known.table.resource.name, &known.table.service, &known.table.provider] {
                add(&mut relations, name.to_lowercase(), name);
            }
        }
        Self { known, exact, folded, unseparated, relations }
    }

    fn column(&self, ident: &mut Ident) {
        if ident.quote_style.is_some() || self.exact.contains(&ident.value) {
            return;
        }
        let by_case = self.folded.get(&ident.value.to_lowercase());
        let spelling = by_case.or_else(|| self.unseparated.get(&fold_name(&ident.value)));
        if let Some(Some(spelling)) = spelling {
            ident.value.clone_from(spelling);
        }
    }

    fn relation(&self, ident: &mut Ident) {
        if ident.quote_style.is_none()
            && let Some(Some(spelling)) = self.relations.get(&ident.value.to_lowercase())
        {
            ident.value.clone_from(spelling);
        }
    }
}

fn add(into: &mut BTreeMap<String, Option<String>>, key: String, name: &str) {
    into.entry(key)
        .and_modify(|known| {
            if known.as_deref() != Some(name) {
                *known = None;
            }
        })
        .or_insert_with(|| Some(name.to_owned()));
}

/// What the names in one SELECT's own expressions mean where its tables alone decide: an alias that the SELECT itself
/// introduces, and the spelling of another table's column, do not count.
struct Scope<'a> {
    tables: Vec<(ObjectName, &'a Table)>,
    /// Whether there is no other relation.
    only_tables: bool,
    depth: usize,
}

impl<'a> Scope<'a> {
    fn of(known: &'a [Known], select: &Select) -> Self {
        let factors: Vec<&TableFactor> = select.from.iter().flat_map(all_factors).collect();
        let tables: Vec<_> = factors
            .iter()
            .filter_map(|factor| {
                let TableFactor::Table { name, .. } = factor else { return None };
                let known = known.iter().find(|known| &known.name == name)?;
                Some((qualifier(factor)?, known.table.as_ref()))
            })
            .collect();
        let only_tables = tables.len() == factors.len();
        Self { tables, only_tables, depth: 0 }
    }

    fn spell(ident: &mut Ident, tables: &[&Table]) {
        if ident.quote_style.is_some() || tables.iter().any(|table| table.columns.iter().any(|c| c.name == ident.value))
        {
            return;
        }
        let mut found = tables.iter().filter_map(|table| Some(&table.columns[table.column(&ident.value)?].name));
        if let Some(first) = found.next()
            && found.all(|other| other == first)
        {
            ident.value.clone_from(first);
        }
    }
}

impl VisitorMut for Scope<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) if self.depth == 0 && self.only_tables => {
                let tables: Vec<&Table> = self.tables.iter().map(|(_, table)| *table).collect();
                Self::spell(ident, &tables);
            }
            Expr::CompoundIdentifier(parts) if self.depth == 0 => {
                if let Some((last, before)) = parts.split_last_mut() {
                    let relation = ObjectName::from(before.to_vec());
                    let table = self.tables.iter().find(|(qualifier, _)| same_relation(qualifier, &relation));
                    if let Some((_, table)) = table {
                        Self::spell(last, &[table]);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl VisitorMut for Spelling<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => {
                if let Some((last, before)) = parts.split_last_mut() {
                    self.column(last);
                    for part in before {
                        self.relation(part);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut scope = Scope::of(self.known, select);
        if !scope.tables.is_empty() {
            let _ = VisitMut::visit(&mut select.projection, &mut scope);
            let _ = VisitMut::visit(&mut select.from, &mut scope);
            let _ = VisitMut::visit(&mut select.selection, &mut scope);
            let _ = VisitMut::visit(&mut select.group_by, &mut scope);
            let _ = VisitMut::visit(&mut select.having, &mut scope);
        }
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                for part in &mut name.0 {
                    if let ObjectNamePart::Identifier(ident) = part {
                        self.relation(ident);
                    }
                }
            }
        }
        for from in &mut select.from {
            for join in &mut from.joins {
                if let JoinOperator::Join(JoinConstraint::Using(names))
                | JoinOperator::Inner(JoinConstraint::Using(names))
                | JoinOperator::Left(JoinConstraint::Using(names))
                | JoinOperator::LeftOuter(JoinConstraint::Using(names)) = &mut join.join_operator
                {
                    for name in names {
                        for part in &mut name.0 {
                            if let ObjectNamePart::Identifier(ident) = part {
                                self.column(ident);
                            }
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor
            && let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice()
        {
            self.relation(ident);
        }
        ControlFlow::Continue(())
    }
}
