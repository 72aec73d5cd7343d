//! UPDATE, REPLACE and DELETE: which objects a WHERE means, and one call for each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use sqlparser::ast::{self, Ident};

use super::fill::{Placement, check_required, identifiers, identity_of, place};
use super::listed;
use super::plan::{
    Found, Part, PlanContext, Planned, SourceRows, check_whole, choose, find, planned_call, unheld_field,
};
use super::selected::{Reads, select};
use super::set::SetValues;
use crate::bind::{ColumnRole, Direct, Predicate, Table, bind, bind_direct, coerce, literal_text, placed_value};
use crate::error::{Error, ErrorKind, Result, fold_name};
use crate::provider::{
    Call, ItemShape, Keys, Location, Method, Parameter, ValueType, keeps_secret, tells_secret_field,
};
use crate::sql::{Change, Verb};
use crate::store::{Look, PlannedCall};

/// The method of a statement, its calls, and the look that they were made from.
pub(super) type Steps = (Arc<Method>, Vec<PlannedCall>, Option<Look>);

pub(super) async fn plan(context: &PlanContext<'_>, statement: Change) -> Result<Planned> {
    let found = find(context, &statement.table).await?;
    let id = found.id();
    let verb = statement.verb;
    let Some(selection) = statement.selection.clone() else {
        return Err(Error::new(ErrorKind::InvalidArgument, format!("{} needs a WHERE", verb.name()))
            .hint("`WHERE true` means every object there is"));
    };
    let names: Vec<&str> = statement.assignments.iter().map(|(column, _)| column.value.as_str()).collect();
    let methods = methods_of(&found, verb)?;
    // Those that take what SET gives; which of them depends on how the objects are named.
    choose(&id, verb, &methods, |method| takes(&found, method, &names))?;
    let methods: Vec<Arc<Method>> =
        methods.into_iter().filter(|method| takes(&found, method, &names).is_ok()).collect();

    let set = SetValues::of(context, &statement).await?;
    let (direct, because) = if set.is_of_rows() {
        (None, None)
    } else {
        match direct(context, &found, &statement, &methods, &names, &set, &selection).await? {
            Placed::Calls(method, steps) => (Some((method, steps)), None),
            Placed::Look { because } => (None, because),
        }
    };
    // Rows are known by their keys; where there are none, the values themselves may be named.
    let listed = if set.is_of_rows() || direct.is_some() || declared(&found).is_some() {
        None
    } else {
        listed::plan(context, &found, &statement, &methods, &names, &set, &selection).await?
    };
    let (method, steps, look) = match (direct, listed) {
        (Some((method, steps)), _) => (method, steps, None),
        (None, Some(listed)) => listed,
        (None, None) => {
            // Where no row can be looked at, the values that WHERE gives are what can be mended.
            if let Some(error) = because.filter(|_| declared(&found).is_none()) {
                return Err(error);
            }
            check_no_secrets(&found, &statement, &methods, &names, &set, &selection)?;
            by_rows(context, &found, &statement, &methods, &names, &set, &selection).await?
        }
    };
    let (resource, restricted) = (found.resource, found.restricted);
    let part = Part { verb, method, resource, returning: statement.returning, restricted, wait: None };
    Ok(Planned::statement(part, id, steps, look))
}

/// The methods of a verb. A PUT puts a whole object in the place of another, so UPDATE takes one only where the document
/// says that it leaves out what is not named.
fn methods_of(found: &Found, verb: Verb) -> Result<Vec<Arc<Method>>> {
    let verbs = &found.resource.verbs;
    let listed = |names: &[String]| found.resource.methods_of(names).cloned().collect::<Vec<_>>();
    match verb {
        Verb::Replace => {
            let methods = listed(&verbs.replace);
            if methods.is_empty() && !verbs.update.is_empty() {
                return Err(Error::new(ErrorKind::Unsupported, format!("`{}` has no method for REPLACE", found.id()))
                    .hint("UPDATE changes the fields that are named and leaves the others"));
            }
            Ok(methods)
        }
        Verb::Delete => Ok(listed(&verbs.delete)),
        _ => {
            let methods = listed(&verbs.update);
            if methods.is_empty() && !verbs.replace.is_empty() {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "`{}` can only be replaced as a whole: fields that are not named would be lost",
                        found.id()
                    ),
                )
                .hint("use REPLACE and name every field"));
            }
            Ok(methods)
        }
    }
}

fn declared(found: &Found) -> Option<&Keys> {
    found.resource.keys.as_ref().filter(|keys| keys.declared)
}

/// Whether a method takes all that SET gives, and SET gives every field that its body needs.
fn takes(found: &Found, method: &Arc<Method>, names: &[&str]) -> Result<()> {
    let placement = place(method, names)?;
    let is_key = |parameter: &Parameter| declared(found).is_some_and(|keys| keys.columns.contains_key(&parameter.name));
    let says_which = |known: &&Parameter| is_key(known) || matches!(known.location, Location::Path | Location::Server);
    if let Some(key) = placement.known().find(says_which) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("`{}` says which object it is, so it cannot be SET", key.name),
        )
        .hint("it stands in WHERE"));
    }
    check_required(method, |parameter| {
        parameter.location != Location::Body || is_key(parameter) || names.is_empty() || placement.gives(parameter)
    })
}

/// What WHERE comes to without a look at rows.
enum Placed {
    /// The method and the calls that say all of it.
    Calls(Arc<Method>, Vec<PlannedCall>),
    /// Rows have to be looked at; see [`Direct::Look`].
    Look { because: Option<Error> },
}

/// The calls when all of WHERE is placed on the method itself: nothing is looked at.
async fn direct(
    context: &PlanContext<'_>,
    found: &Found,
    statement: &Change,
    methods: &[Arc<Method>],
    names: &[&str],
    set: &SetValues,
    selection: &ast::Expr,
) -> Result<Placed> {
    let resource = Arc::clone(&found.resource);
    let table = Arc::new(Table::for_writing(&found.provider, &found.service, resource, methods));
    let alias = statement.alias.as_ref().map_or(found.resource.name.as_str(), |alias| alias.value.as_str());
    let conjuncts = match context.source.conjuncts(Arc::clone(&table), alias, selection.clone()).await {
        Ok(Some(conjuncts)) => conjuncts,
        Ok(None) => return Ok(Placed::Look { because: None }),
        // A resource that cannot be selected from has no better message to give.
        Err(error) if table.methods.is_empty() => return Err(error),
        Err(error) => return Ok(Placed::Look { because: Some(error) }),
    };
    let passes_nothing = |conjunct: &Predicate| matches!(conjunct, Predicate::Or(any) if any.is_empty());
    if conjuncts.iter().any(passes_nothing) {
        let first = methods.first().map(|method| Placed::Calls(Arc::clone(method), Vec::new()));
        return Ok(first.unwrap_or(Placed::Look { because: None }));
    }
    if conjuncts.is_empty() {
        let values = set.of_each(context, 1).await?.unwrap_or_default();
        return the_only(found, methods, names, values.first().map_or(&[], Vec::as_slice));
    }
    let placements: Vec<Placement<'_>> = methods.iter().map(|method| place(method, names)).collect::<Result<_>>()?;
    // Fields that the document does not name are given as well, and are no parameters.
    let sets = !names.is_empty();
    let taken: Option<Vec<&Parameter>> = sets.then(|| placements.iter().flat_map(Placement::known).collect());
    let binding = match bind_direct(&table, methods, taken.as_deref(), &conjuncts, context.settings.max_calls)? {
        Direct::Calls(binding) => binding,
        Direct::Look { because } => return Ok(Placed::Look { because }),
    };
    let Some(at) = methods.iter().position(|method| method.name == binding.method.name) else {
        return Ok(Placed::Look { because: None });
    };
    let (method, placement) = (&methods[at], &placements[at]);
    let Some(values) = set.of_each(context, binding.tuples.len()).await? else {
        return Ok(Placed::Look { because: None });
    };
    let mut steps = Vec::with_capacity(binding.tuples.len());
    for (tuple, values) in binding.tuples.iter().zip(&values) {
        let mut call = found.call(method);
        placement.fill(&mut call, values)?;
        for (bound, value) in binding.bound.iter().zip(tuple) {
            if let Some(parameter) = binding.method.parameters.iter().find(|p| p.name == bound.parameter) {
                put(&mut call, parameter, value.clone());
            }
        }
        let identity = identity_of(declared(found), &call);
        steps.push(planned_call(method, call, identity, None));
    }
    Ok(Placed::Calls(Arc::clone(method), steps))
}

/// The one call of `WHERE true` where there is but one object: what SELECT reads, at the very address of the method.
fn the_only(found: &Found, methods: &[Arc<Method>], names: &[&str], values: &[Value]) -> Result<Placed> {
    let table = Table::new(&found.provider, &found.service, Arc::clone(&found.resource));
    let Ok(read) = table.and_then(|table| bind(&table, &[], &[], &BTreeMap::new(), 1)) else {
        return Ok(Placed::Look { because: None });
    };
    let read = &read.method;
    let reads_one = |method: &Method| {
        read.response.items == ItemShape::Object
            && (&read.path, &read.server) == (&method.path, &method.server)
            && !method.parameters.iter().any(|p| p.location == Location::Path)
    };
    for method in methods.iter().filter(|method| declared(found).is_none() && reads_one(method)) {
        let placement = place(method, names)?;
        if check_required(method, |parameter| placement.gives(parameter)).is_ok() {
            let mut call = found.call(method);
            placement.fill(&mut call, values)?;
            let step = planned_call(method, call, BTreeMap::new(), None);
            return Ok(Placed::Calls(Arc::clone(method), vec![step]));
        }
    }
    Ok(Placed::Look { because: None })
}

fn put(call: &mut Call, parameter: &Parameter, value: Value) {
    let into = if parameter.location == Location::Body { &mut call.body } else { &mut call.arguments };
    into.insert(parameter.name.clone(), value);
}

/// Refuses secrets in what is looked at. The look is stored with the plan; of what was merely there a digest stands in it, but
/// what WHERE and SET say of a secret stands in its SELECT.
///
/// # Errors
/// `Unsupported` when SET computes a secret, or SET or WHERE reads one.
fn check_no_secrets(
    found: &Found,
    statement: &Change,
    methods: &[Arc<Method>],
    names: &[&str],
    set: &SetValues,
    selection: &ast::Expr,
) -> Result<()> {
    let table = Table::for_writing(&found.provider, &found.service, Arc::clone(&found.resource), methods);
    let all_methods = || table.methods.iter().chain(methods);
    // What names an object stands in URLs, whatever it is called.
    let is_key = |name: &str| {
        let mut keys = declared(found).into_iter().flat_map(|keys| &keys.columns);
        keys.any(|(parameter, column)| parameter == name || column == name)
    };
    let is_secret = |name: &str| {
        let column = table.column(name).map(|column| &table.columns[column]);
        let is_flag = column.is_some_and(|column| column.ty == ValueType::Boolean);
        column.is_some_and(|column| column.secret)
            || all_methods().any(|method| method.parameter(name).is_some_and(|parameter| parameter.secret))
            || (tells_secret_field(name) && !is_flag && !is_key(name))
    };
    let read = identifiers(selection).into_iter().chain(set.expressions.iter().flat_map(identifiers));
    if let Some(secret) = read.map(|ident| ident.value).find(|name| is_secret(name)) {
        return Err(reads_secret(statement, &secret));
    }
    let computed = names.iter().filter(|_| set.is_of_rows());
    match computed.copied().find(|name| is_secret(name)) {
        Some(secret) => Err(computes_secret(statement, secret)),
        None => Ok(()),
    }
}

fn reads_secret(statement: &Change, name: &str) -> Error {
    let message =
        "WHERE and SET cannot read a secret where rows are looked at first: what they say is stored with the plan";
    Error::new(ErrorKind::Unsupported, message)
        .with("secret", name.to_owned())
        .hint(format!("nothing was sent; {} one object at a time, by its key and nothing else", statement.verb.name()))
}

fn computes_secret(statement: &Change, name: &str) -> Error {
    Error::new(ErrorKind::Unsupported, "SET cannot compute a secret where rows are looked at first")
        .with("secret", name.to_owned())
        .hint(format!(
            "nothing was sent; give its value, or {} one object at a time, by its key and nothing else",
            statement.verb.name()
        ))
}

/// The calls when rows are looked at first: one per identity.
async fn by_rows(
    context: &PlanContext<'_>,
    found: &Found,
    statement: &Change,
    methods: &[Arc<Method>],
    names: &[&str],
    set: &SetValues,
    selection: &ast::Expr,
) -> Result<Steps> {
    let id = found.id();
    let (method, ()) = choose(&id, statement.verb, methods, |method| reachable(found, method, names))?;
    let table = Table::new(&found.provider, &found.service, Arc::clone(&found.resource))?;
    let keys: Vec<(&Parameter, &str)> = declared(found)
        .into_iter()
        .flat_map(|keys| &keys.columns)
        .filter_map(|(name, column)| key_parameter(&method, name).map(|parameter| (parameter, column.as_str())))
        // Where the API is, WHERE says, and no row.
        .filter(|(parameter, _)| parameter.location != Location::Server)
        .collect();
    let placement = place(&method, names)?;
    let reads = Reads::of(context, statement, selection, &set.expressions).await?;
    let mentioned = (selection, reads.selection.as_slice());
    let scope = scope(context, found, statement, &table, &method, (&placement, &keys), mentioned).await?;
    let (read, looked) = looked_columns(&table, &keys, statement, &reads);
    let asked = asked_keys(&table, &keys, &reads.selection);

    let column = |name: &str| ast::Expr::Identifier(Ident::with_quote('"', name));
    let seen_names = looked.iter().map(|look| table.columns[*look].name.as_str());
    let mut projection: Vec<ast::SelectItem> = keys
        .iter()
        .map(|(_, name)| *name)
        .chain(asked.iter().map(|at| keys[*at].0.name.as_str()))
        .chain(seen_names)
        .map(|name| ast::SelectItem::UnnamedExpr(column(name)))
        .collect();
    let columns = projection.len();
    projection.extend(set.computed());
    // What is another value each time says nothing of the rows when they are looked at again.
    let compared = |at: &usize| *at < columns || set.lasts(*at - columns);
    let look = (0..projection.len()).filter(compared).map(|at| projection[at].clone()).collect();
    let look = select(look, Some((statement, selection)))?.to_string();
    let SourceRows { names: headings, rows } =
        context.source.rows(select(projection, Some((statement, selection)))?).await?;
    check_whole(context, &rows)?;
    // What WHERE says of it may have been decided elsewhere than on the rows.
    let reads = looked.iter().take(read).map(|look| table.columns[*look].name.as_str());
    if let Some(field) = reads.into_iter().find(|name| !rows.is_empty() && context.report.is_unheld(&id, name)) {
        return Err(unheld_field(&id, field));
    }

    let given = set.of_each(context, rows.len()).await?;
    let mut steps: Vec<PlannedCall> = Vec::with_capacity(rows.len());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        let mut call = found.call(&method);
        let (identity, rest) = row.split_at(keys.len().min(row.len()));
        let (wanted, rest) = rest.split_at(asked.len().min(rest.len()));
        let (old, new) = rest.split_at(looked.len().min(rest.len()));
        let is_told = |(at, value): &(&usize, &Value)| keeps_secret(&table.columns[**at].name, value);
        if let Some((at, _)) = looked.iter().zip(old).take(read).find(is_told) {
            return Err(reads_secret(statement, &table.columns[*at].name));
        }
        placement.fill(&mut call, given.as_ref().map_or(new, |given| &given[at]))?;
        for (parameter, value) in &scope {
            put(&mut call, parameter, value.clone());
        }
        for ((parameter, column), value) in keys.iter().zip(identity) {
            if value.is_null() {
                return Err(Error::new(
                    ErrorKind::Partial,
                    format!("nothing was written: a row of `{id}` has no `{column}`, which says which object it is"),
                ));
            }
            put(&mut call, parameter, coerce(parameter, value)?);
        }
        for (at, wanted) in asked.iter().zip(wanted).filter(|(_, wanted)| !wanted.is_null()) {
            check_same(&id, keys[*at], wanted, &identity[*at])?;
        }
        let before: BTreeMap<String, Value> = looked
            .iter()
            .zip(old)
            .map(|(look, value)| (&table.columns[*look], value))
            .map(|(column, value)| (column.name.clone(), as_json(column.ty.is_json(), value)))
            .collect();
        let key = identity.iter().map(literal_text).collect::<Vec<_>>().join("\u{1}");
        match seen.get(&key) {
            Some(at) if set.is_one_each() || steps[*at].call == call => {}
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!(
                        "two rows give `{}` different values",
                        identity.iter().map(literal_text).collect::<Vec<_>>().join(", ")
                    ),
                )
                .hint("each object can be changed once per statement"));
            }
            None => {
                seen.insert(key, steps.len());
                let identity = identity_of(declared(found), &call);
                steps.push(planned_call(&method, call, identity, Some(before)));
            }
        }
    }
    if let Some(secret) = steps.iter().flat_map(|step| &step.secrets).next().filter(|_| set.is_of_rows()) {
        return Err(computes_secret(statement, secret));
    }
    let keys = keys.iter().map(|(_, column)| (*column).to_owned()).collect();
    let headings: Vec<String> = kept(headings, compared);
    let rows = rows.into_iter().map(|row| kept(row, compared)).collect();
    let look = Look { select: look, keys, rows: look_rows(&headings, rows) };
    Ok((method, steps, Some(look)))
}

/// What stands at the places that `is_kept` names.
fn kept<T>(all: Vec<T>, is_kept: impl Fn(&usize) -> bool) -> Vec<T> {
    all.into_iter().enumerate().filter(|(at, _)| is_kept(at)).map(|(_, one)| one).collect()
}

/// The keys, by their place, whose parameters WHERE names under other names than their columns': rows are not checked
/// for them.
fn asked_keys(table: &Table, keys: &[(&Parameter, &str)], mentioned: &[String]) -> Vec<usize> {
    let is_asked = |(parameter, column): (&Parameter, &str)| {
        let own = table.column(&parameter.name);
        parameter.name != column
            && own.is_some_and(|own| table.columns[own].role == ColumnRole::Parameter)
            && mentioned.iter().any(|name| fold_name(name) == fold_name(&parameter.name))
    };
    (0..keys.len()).filter(|at| is_asked(keys[*at])).collect()
}

/// An API that answers with another object than it was asked for has not said which one is meant.
///
/// # Errors
/// `Partial` when the key of a row is not the one that its call asked for.
fn check_same(id: &str, (parameter, column): (&Parameter, &str), wanted: &Value, found: &Value) -> Result<()> {
    let (wanted, found) = (coerce(parameter, wanted)?, coerce(parameter, found)?);
    if wanted == found {
        return Ok(());
    }
    let (name, wanted, found) = (&parameter.name, literal_text(&wanted), literal_text(&found));
    let message = format!(
        "nothing was written: `{id}` was asked for `{name}` = `{wanted}`, and the answer's `{column}` is `{found}`"
    );
    Err(Error::new(ErrorKind::Partial, message).hint(format!("`WHERE {column} = …` says which object is meant")))
}

/// What WHERE says of where and how the API is asked, beside which rows are meant: a server, a project, a version. It holds
/// for the change as for the look, or rows of one place would be changed in another.
///
/// # Errors
/// `Unsupported` when the method cannot be told it, or it is not one value.
async fn scope<'a>(
    context: &PlanContext<'_>,
    found: &Found,
    statement: &Change,
    table: &Table,
    method: &'a Method,
    (placement, keys): (&Placement<'_>, &[(&Parameter, &str)]),
    (selection, mentioned): (&ast::Expr, &[String]),
) -> Result<Vec<(&'a Parameter, Value)>> {
    let alias = statement.alias.as_ref().map_or(found.resource.name.as_str(), |alias| alias.value.as_str());
    // What is wrong with it, the look says.
    let conjuncts = context.source.conjuncts(Arc::new(table.clone()), alias, selection.clone()).await.ok().flatten();
    let is_mentioned = |name: &str| mentioned.iter().any(|known| fold_name(known) == fold_name(name));
    let places = |method: &Method| {
        method.parameters.iter().filter(|p| p.location == Location::Server).map(|p| p.name.clone()).collect::<Vec<_>>()
    };
    for name in table.methods.iter().flat_map(|method| places(method)).filter(|name| is_mentioned(name)) {
        if !method.parameters.iter().any(|p| p.location == Location::Server && p.name == name) {
            return Err(not_one_place(statement, &name, &format!("`{}` has no such place", method.name)));
        }
    }
    let mut values = Vec::new();
    for parameter in method.parameters.iter().filter(|p| p.location != Location::Body) {
        let is_key = keys.iter().any(|(key, _)| key.name == parameter.name && key.location == parameter.location);
        let column = table.column(&parameter.name);
        let is_asked = column.is_some_and(|at| table.columns[at].role != ColumnRole::Field);
        if is_key || !is_asked || !is_mentioned(&parameter.name) {
            continue;
        }
        if placement.gives(parameter) {
            // Rows would be read in one place and written in another.
            if column.is_some_and(|at| table.columns[at].role == ColumnRole::Parameter) {
                return Err(not_one_place(statement, &parameter.name, "SET gives it a value too"));
            }
            continue;
        }
        let known = conjuncts.as_deref().zip(column).and_then(|(conjuncts, column)| only_value(conjuncts, column));
        let Some(value) = known else {
            return Err(not_one_place(statement, &parameter.name, "WHERE does not give it one value"));
        };
        values.push((parameter, placed_value(parameter, value)?));
    }
    Ok(values)
}

/// The one value that all rows have in a column; `None` when it is not one, or a conjunct says more of the column.
fn only_value(conjuncts: &[Predicate], column: usize) -> Option<&Value> {
    let mut found: Option<&Value> = None;
    for conjunct in conjuncts {
        let value = match conjunct {
            Predicate::Equals { column: at, value } if *at == column => value,
            Predicate::In { column: at, values } if *at == column => match values.as_slice() {
                [value] => value,
                _ => return None,
            },
            Predicate::And(parts) => match only_value(parts, column) {
                Some(value) => value,
                None if parts.iter().any(|part| mentions(part, column)) => return None,
                None => continue,
            },
            other if mentions(other, column) => return None,
            _ => continue,
        };
        if found.is_some_and(|known| known != value) {
            return None;
        }
        found = Some(value);
    }
    found
}

fn mentions(predicate: &Predicate, column: usize) -> bool {
    match predicate {
        Predicate::Equals { column: at, .. } | Predicate::In { column: at, .. } => *at == column,
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().any(|part| mentions(part, column)),
        Predicate::Other { columns, .. } => columns.contains(&column),
    }
}

fn not_one_place(statement: &Change, name: &str, why: &str) -> Error {
    let verb = statement.verb.name();
    Error::new(
        ErrorKind::Unsupported,
        format!("`{name}` in WHERE says where the API is asked, and the {verb} would go elsewhere: {why}"),
    )
    .hint(format!("nothing was sent; say `{name} = …` with one value, or name the objects by their keys"))
}

/// Whether the declared keys name every object that the method is about.
fn reachable(found: &Found, method: &Arc<Method>, names: &[&str]) -> Result<()> {
    let id = found.id();
    let Some(keys) = declared(found) else {
        let paths: Vec<String> =
            method.needs().filter(|p| p.location == Location::Path).map(|p| format!("`{}`", p.name)).collect();
        let (name, resource) = (&method.name, &found.resource.name);
        if paths.is_empty() {
            let message =
                format!("`{name}` names no object of `{id}` in its path, so that no row says what it would change");
            return Err(Error::new(ErrorKind::Unsupported, message)
                .hint(format!("nothing was sent; `EXEC {id}.{name}` calls it once, with what it is given")));
        }
        let needs = paths.join(" and ");
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the document of `{id}` does not say which column holds the value for {needs} of `{name}`"),
        )
        .hint(format!(
            "let WHERE give the parameters themselves, as `name = value`, and nothing else, or add `keys` to the resource \
             `{resource}`"
        )));
    };
    let placement = place(method, names)?;
    check_required(method, |parameter| keys.columns.contains_key(&parameter.name) || placement.gives(parameter))?;
    // Part of what identifies an object names others as well.
    if keys.columns.keys().all(|key| method.parameters.iter().any(|p| p.name == *key)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("`{}` does not take what identifies one object of `{id}`", method.name),
    )
    .hint(format!("`EXEC {id}.{}` calls it once", method.name)))
}

/// The parameter that a key goes to; a body field of the same name is another thing.
fn key_parameter<'a>(method: &'a Method, name: &str) -> Option<&'a Parameter> {
    let named = || method.parameters.iter().filter(|p| p.name == name);
    named().find(|p| p.location != Location::Body).or_else(|| named().next())
}

/// The rows of a look, by column.
pub(super) fn look_rows(names: &[String], rows: Vec<Vec<Value>>) -> Vec<BTreeMap<String, Value>> {
    rows.into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect()
}

/// How many columns WHERE and SET read, and those columns, then those that SET writes.
fn looked_columns(
    table: &Table,
    keys: &[(&Parameter, &str)],
    statement: &Change,
    reads: &Reads,
) -> (usize, Vec<usize>) {
    let mut looked: Vec<usize> = Vec::new();
    let mut add = |name: &str| {
        let Some(column) = table.column(name) else { return looked.len() };
        let known = &table.columns[column];
        let is_key = keys.iter().any(|(_, key)| *key == known.name);
        if known.role.is_field() && !known.secret && !is_key && !looked.contains(&column) {
            looked.push(column);
        }
        looked.len()
    };
    let read = reads.selection.iter().chain(&reads.set).map(|name| add(name)).last().unwrap_or_default();
    for (name, _) in &statement.assignments {
        add(name.value.strip_prefix("data__").unwrap_or(&name.value));
    }
    (read, looked)
}

/// Text of a column that holds JSON, as JSON.
fn as_json(is_json: bool, value: &Value) -> Value {
    match value {
        Value::String(text) if is_json => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        _ => value.clone(),
    }
}
