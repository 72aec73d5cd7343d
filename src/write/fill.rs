//! Names and values of a statement → a method's parameters and body.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::Value;
use sqlparser::ast::{self, Ident, VisitMut};

use crate::bind::{forms_host, placed_value};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::provider::{BodyMedia, Call, Location, Method, Parameter};
use crate::sql::{each_expr, number};

/// Where the values of a statement's columns go, for one method.
#[derive(Debug, Clone)]
pub(super) struct Placement<'a> {
    /// Per column of the statement.
    pub(super) targets: Vec<Target<'a>>,
}

/// Where one column's value goes.
#[derive(Debug, Clone)]
pub(super) enum Target<'a> {
    /// A parameter or a body field that the document names.
    Known(&'a Parameter),
    /// A body field that the document does not name, of a body that takes any.
    Open(String),
}

/// Places column names; a name that is both a parameter and a body field means the parameter, and only `data__name`
/// reaches the field.
///
/// # Errors
/// `NameNotFound` with the nearest names.
pub(super) fn place<'a>(method: &'a Method, names: &[&str]) -> Result<Placement<'a>> {
    let mut targets: Vec<Target<'a>> = Vec::with_capacity(names.len());
    for name in names {
        let target = match method.parameter(name) {
            Some(parameter) => Target::Known(parameter),
            None if method.request.as_ref().is_some_and(|request| request.open) => {
                Target::Open(name.strip_prefix("data__").unwrap_or(name).to_owned())
            }
            None => return Err(unknown(method, name)),
        };
        if let (Target::Known(field), Some(request)) = (&target, &method.request)
            && field.location == Location::Body
            && request.media == BodyMedia::Multipart
            && request.files.contains(&field.name)
        {
            let message = format!("`{}` is a file, and cannot be given as a value", field.name);
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .hint(format!("`EXEC … FROM 'file' AS {}` sends one", field.name)));
        }
        let twice = targets.iter().any(|known| match (known, &target) {
            (Target::Known(a), Target::Known(b)) => std::ptr::eq(*a, *b),
            (Target::Open(a), Target::Open(b)) => a == b,
            _ => false,
        });
        if twice {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("`{name}` is given twice")));
        }
        targets.push(target);
    }
    Ok(Placement { targets })
}

fn unknown(method: &Method, name: &str) -> Error {
    let error = Error::new(ErrorKind::NameNotFound, format!("`{}` takes no `{name}`", method.name));
    let plain = name.strip_prefix("data__").unwrap_or(name);
    let known = method.parameters.iter().map(|p| p.name.as_str());
    error.hint(did_you_mean(plain, known).unwrap_or_else(|| {
        let names: Vec<String> = method.parameters.iter().take(30).map(|p| format!("`{}`", p.name)).collect();
        if names.is_empty() { "it takes nothing".to_owned() } else { format!("it takes {}", names.join(", ")) }
    }))
}

impl Placement<'_> {
    /// Whether a column goes to that parameter.
    pub(super) fn gives(&self, parameter: &Parameter) -> bool {
        self.known().any(|known| std::ptr::eq(known, parameter))
    }

    /// The parameters and fields that columns go to.
    pub(super) fn known(&self) -> impl Iterator<Item = &Parameter> {
        self.targets.iter().filter_map(|target| match target {
            Target::Known(parameter) => Some(*parameter),
            Target::Open(_) => None,
        })
    }

    /// Refuses a host that would come from rows: the credential goes there. `is_said` tells whether the statement itself
    /// gives the value of a column, by the column's place.
    ///
    /// # Errors
    /// `InvalidArgument` that names the parameter.
    pub(super) fn check_hosts(&self, method: &Method, is_said: impl Fn(usize) -> bool) -> Result<()> {
        for (at, target) in self.targets.iter().enumerate() {
            if let Target::Known(parameter) = target
                && forms_host(method, parameter)
                && !is_said(at)
            {
                let message = format!("`{}` is a part of the API's host, which no row may choose", parameter.name);
                return Err(Error::new(ErrorKind::InvalidArgument, message).hint("write its value as a literal"));
            }
        }
        Ok(())
    }

    /// Puts one row's values into `call`.
    ///
    /// # Errors
    /// `InvalidArgument` when a value does not fit its parameter.
    pub(super) fn fill(&self, call: &mut Call, values: &[Value]) -> Result<()> {
        for (target, value) in self.targets.iter().zip(values) {
            match target {
                Target::Known(parameter) => {
                    let value = placed_value(parameter, value)?;
                    if parameter.location == Location::Body {
                        call.body.insert(parameter.name.clone(), value);
                    } else {
                        call.arguments.insert(parameter.name.clone(), value);
                    }
                }
                Target::Open(name) => {
                    call.body.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(())
    }
}

/// Everything that a method needs and that `given` does not name, in one error.
///
/// # Errors
/// `MissingParameter` that lists all of it.
pub(super) fn check_required(method: &Method, given: impl Fn(&Parameter) -> bool) -> Result<()> {
    let in_base = |parameter: &Parameter| {
        parameter.location == Location::Body
            && method
                .request
                .as_ref()
                .and_then(|request| request.base.as_ref())
                .is_some_and(|base| base.get(&parameter.wire).is_some())
    };
    let missing: Vec<String> = method
        .needs()
        .filter(|parameter| !given(parameter) && !in_base(parameter))
        .map(|parameter| format!("`{}` ({})", parameter.name, parameter.ty.name()))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::MissingParameter, format!("`{}` needs {}", method.name, missing.join(", "))))
}

/// The values of a call's arguments that a resource's keys name: what identifies the object it is about.
pub(super) fn identity_of(keys: Option<&crate::provider::Keys>, call: &Call) -> BTreeMap<String, Value> {
    let names = keys.iter().flat_map(|keys| keys.columns.keys());
    let value = |name: &String| call.arguments.get(name).or_else(|| call.body.get(name));
    names.filter_map(|name| value(name).map(|value| (name.clone(), value.clone()))).collect()
}

/// The value of a literal as it is written; `None` for anything that must be evaluated.
pub(super) fn literal(expr: &ast::Expr) -> Option<Value> {
    match expr {
        ast::Expr::Nested(inner) => literal(inner),
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) => number(text),
            ast::Value::SingleQuotedString(text) => Some(Value::from(text.as_str())),
            ast::Value::DollarQuotedString(text) => Some(Value::from(text.value.as_str())),
            ast::Value::Boolean(value) => Some(Value::Bool(*value)),
            ast::Value::Null => Some(Value::Null),
            _ => None,
        },
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match expr.as_ref() {
            ast::Expr::Value(value) => match &value.value {
                ast::Value::Number(text, _) => number(&format!("-{text}")),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The columns that an expression may read, by their last part; those of subqueries count, whatever table they are of.
pub(super) fn identifiers(expression: &(impl VisitMut + Clone)) -> Vec<Ident> {
    let mut found = Vec::new();
    let _never_breaks = each_expr(expression, &mut |expr| {
        match expr {
            ast::Expr::Identifier(ident) => found.push(ident.clone()),
            ast::Expr::CompoundIdentifier(parts) => found.extend(parts.last().cloned()),
            ast::Expr::Subquery(_) | ast::Expr::InSubquery { .. } | ast::Expr::Exists { .. } => {
                // What it reads is not known here: it counts as reading something.
                found.push(Ident::new(""));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    found
}

/// The functions that an expression calls, by the last part of their names.
pub(super) fn functions(expression: &(impl VisitMut + Clone)) -> Vec<String> {
    let mut found = Vec::new();
    let _never_breaks = each_expr(expression, &mut |expr| {
        if let ast::Expr::Function(function) = expr {
            found.extend(function.name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone()));
        }
        ControlFlow::Continue(())
    });
    found
}
