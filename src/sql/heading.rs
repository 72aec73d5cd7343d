//! Headings: an expression without an alias is headed by the text that was typed.
//!
//! The planner has names of its own for expressions (`Int64(1)`, `t.size * Int64(2)`), which nobody typed, and it wants the
//! names of a list to differ. So each unnamed expression gets its text as an alias. The text of an expression is never a
//! plain name, hence no ORDER BY, GROUP BY or HAVING can mean it by accident. Columns keep their names.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Distinct, Expr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Statement as Ast, Value, VisitorMut,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::DIALECT;
use super::comparing::as_equalities;
use super::define::Define;
use super::parse::Statement;
use super::split::LineOffsets;
use super::walk::{each_expr, walk_mut};

/// What stands between a heading and what makes it differ from an earlier one like it.
const AGAIN: char = '\u{1}';

/// A heading as it is shown. Two columns may have the same.
pub(crate) fn shown_heading(name: &str) -> &str {
    name.split(AGAIN).next().unwrap_or(name)
}

/// Gives the unnamed expressions of a statement their text as headings.
pub(super) fn head(text: &str, tokens: &[TokenWithSpan], statement: &mut Statement) {
    let mut source = Source { text, tokens, lines: LineOffsets::new(text), depth: 0, shown: false };
    match statement {
        Statement::Query(query) => {
            source.shown = matches!(**query, Ast::Query(_));
            walk_mut(query.as_mut(), &mut source);
        }
        Statement::Explain { query, .. } => {
            walk_mut(query.as_mut(), &mut source);
        }
        Statement::Define(Define::Create(create)) => {
            walk_mut(create.query.as_mut(), &mut source);
        }
        Statement::Copy(copy) => {
            walk_mut(copy.query.as_mut(), &mut source);
        }
        Statement::Write(write) | Statement::Plan(write) | Statement::ExplainWrite(write) => {
            if let Some(items) = write.returning_mut() {
                let start = tokens.iter().rposition(|token| is_word(&token.token, Keyword::RETURNING));
                let texts = start.map(|start| source.items(start + 1)).unwrap_or_default();
                name_items(items, &texts, Again::Hidden, &HashSet::new());
            }
        }
        _ => {}
    }
}

struct Source<'a> {
    text: &'a str,
    tokens: &'a [TokenWithSpan],
    lines: LineOffsets<'a>,
    /// How many queries are around.
    depth: usize,
    /// Whether the outermost query's columns are what is shown.
    shown: bool,
}

impl VisitorMut for Source<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let again = if self.shown && self.depth == 0 { Again::Hidden } else { Again::Counted };
        self.depth += 1;
        let mut ordered = Vec::new();
        let mut names = Names::default();
        walk_mut(&mut query.order_by, &mut names);
        let is_set = matches!(*query.body, SetExpr::SetOperation { .. });
        self.name_body(&mut query.body, again, names.0, is_set, &mut ordered);
        // DISTINCT and set operations are ordered by what they give, and no longer see what it was made of.
        if let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(exprs) = &mut order.kind
        {
            for sort in exprs {
                // A number is a place in the list, though a column that is the same number may be headed so.
                if matches!(sort.expr, Expr::Value(_)) {
                    continue;
                }
                if let Some((_, alias)) = ordered.iter().find(|(expr, _)| *expr == sort.expr) {
                    sort.expr = Expr::Identifier(alias.clone());
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Plain names in an expression.
#[derive(Default)]
struct Names(HashSet<String>);

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            self.0.insert(ident.value.to_lowercase());
        }
        ControlFlow::Continue(())
    }
}

/// How a heading that is there already differs from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// By what [`shown_heading`] leaves out.
    Hidden,
    /// By a number that is seen, because the column may be named.
    Counted,
}

impl Source<'_> {
    /// Names the lists of a query's body. `ordered` becomes what an ORDER BY must call by its heading.
    fn name_body(
        &self,
        body: &mut SetExpr,
        again: Again,
        ordering: HashSet<String>,
        is_set: bool,
        ordered: &mut Vec<(Expr, Ident)>,
    ) {
        match body {
            SetExpr::Select(select) => {
                let texts = self.select_items(select);
                let mut elsewhere = Names(ordering);
                walk_mut(&mut select.group_by, &mut elsewhere);
                walk_mut(&mut select.having, &mut elsewhere);
                let before: Vec<Option<Expr>> = select.projection.iter().map(unnamed).collect();
                // What is distinct is ordered by its own columns only: another name for one would hide it.
                let again = if select.distinct.is_some() { Again::Counted } else { again };
                name_items(&mut select.projection, &texts, again, &elsewhere.0);
                if ordered.is_empty() && (is_set || matches!(select.distinct, Some(Distinct::Distinct))) {
                    ordered.extend(before.into_iter().zip(&select.projection).filter_map(
                        |(before, after)| match after {
                            SelectItem::ExprWithAlias { alias, .. } => Some((before?, alias.clone())),
                            _ => None,
                        },
                    ));
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.name_body(left, again, ordering.clone(), is_set, ordered);
                self.name_body(right, again, ordering, is_set, &mut Vec::new());
            }
            // It is visited by itself.
            _ => {}
        }
    }

    /// The texts of a SELECT's list; none where they cannot be told apart.
    fn select_items(&self, select: &Select) -> Vec<String> {
        let at = select.select_token.0.span.start;
        let start = self.tokens.partition_point(|token| token.span.start < at);
        if self.tokens.get(start).is_none_or(|token| token.span.start != at) {
            return Vec::new();
        }
        let mut start = start + 1;
        if select.distinct.is_some() {
            let word = self.tokens[start..].iter().position(|token| !matches!(token.token, Token::Whitespace(_)));
            start += word.map_or(0, |word| word + 1);
            if matches!(select.distinct, Some(Distinct::On(_))) {
                let mut depth = 0_usize;
                let end = self.tokens[start..].iter().position(|token| {
                    match token.token {
                        Token::LParen => depth += 1,
                        Token::RParen => {
                            depth = depth.saturating_sub(1);
                            return depth == 0;
                        }
                        _ => {}
                    }
                    false
                });
                start += end.map_or(0, |end| end + 1);
            }
        }
        self.items(start)
    }

    /// The texts between commas, from a token on, up to what ends a list.
    fn items(&self, start: usize) -> Vec<String> {
        let mut items = Vec::new();
        let mut item = String::new();
        let mut depth = 0_usize;
        let mut spaced = false;
        let mut before = [None, None];
        let mut place = None;
        for token in self.tokens.get(start..).unwrap_or_default() {
            match &token.token {
                Token::Whitespace(_) => {
                    spaced = true;
                    continue;
                }
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace | Token::SemiColon | Token::EOF if depth == 0 => break,
                Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
                Token::Comma if depth == 0 => {
                    items.push(std::mem::take(&mut item));
                    spaced = false;
                    before = [None, None];
                    continue;
                }
                Token::Word(word) if depth == 0 && ends_list(word.keyword, before) => break,
                _ => {}
            }
            if spaced && !item.is_empty() {
                item.push(' ');
            }
            spaced = false;
            // A number below zero that was given for a placeholder is several tokens in its place.
            if place.replace(token.span) != Some(token.span) {
                item.push_str(self.slice(token.span.start, token.span.end));
            }
            let keyword = match &token.token {
                Token::Word(word) => Some(word.keyword),
                _ => None,
            };
            before = [before[1], keyword];
        }
        items.push(item);
        items
    }

    fn slice(&self, start: Location, end: Location) -> &str {
        self.text.get(self.lines.byte(start)..self.lines.byte(end)).unwrap_or_default()
    }
}

fn unnamed(item: &SelectItem) -> Option<Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(expr.clone()),
        _ => None,
    }
}

/// Whether a word, with the two before it, ends a list. `IS DISTINCT FROM` and `WITHIN GROUP` do not.
fn ends_list(word: Keyword, before: [Option<Keyword>; 2]) -> bool {
    match word {
        Keyword::FROM => before[1] != Some(Keyword::DISTINCT),
        Keyword::GROUP => before[1] != Some(Keyword::WITHIN),
        Keyword::INTO
        | Keyword::WHERE
        | Keyword::HAVING
        | Keyword::ORDER
        | Keyword::LIMIT
        | Keyword::OFFSET
        | Keyword::FETCH
        | Keyword::UNION
        | Keyword::EXCEPT
        | Keyword::INTERSECT
        | Keyword::WINDOW
        | Keyword::QUALIFY => true,
        _ => false,
    }
}

fn is_word(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// Gives unnamed expressions their texts, and makes headings differ for the planner. `named` are the names that other
/// clauses use: a column that they mean is not renamed.
fn name_items(items: &mut [SelectItem], texts: &[String], again: Again, named: &HashSet<String>) {
    let texts = if texts.len() == items.len() { texts } else { &[] };
    let has_wildcard = items.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    // What stands there in so many words, and columns with what qualifies them.
    let mut taken: HashSet<String> = HashSet::new();
    let mut columns: Vec<Vec<String>> = Vec::new();
    for (at, item) in items.iter_mut().enumerate() {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let parts = column_parts(expr);
                let (heading, there) = match parts {
                    Some(parts) => {
                        let Some(name) = parts.last().cloned() else { continue };
                        let there = has_wildcard || columns.iter().any(|other| same_column(other, &parts));
                        columns.push(parts);
                        // A column is renamed only where nothing can refer to its name.
                        if !there || again == Again::Counted {
                            taken.insert(name);
                            continue;
                        }
                        (name, true)
                    }
                    None => {
                        let heading = heading(expr, texts.get(at));
                        let there = taken.contains(&heading);
                        (heading, there)
                    }
                };
                let alias = Ident::with_quote('"', if there { differing(&heading, again, &taken) } else { heading });
                taken.insert(alias.value.clone());
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                let is_there = taken.contains(&alias.value);
                if is_there && again == Again::Hidden && !named.contains(&alias.value.to_lowercase()) {
                    *alias = Ident::with_quote('"', differing(&alias.value, again, &taken));
                }
                taken.insert(alias.value.clone());
            }
            _ => {}
        }
    }
}

/// The text of an expression, where it is that of this very expression; else the expression written anew.
fn heading(expr: &Expr, text: Option<&String>) -> String {
    let is_its_text = |text: &&String| {
        let parsed = Parser::new(&DIALECT).try_with_sql(text).and_then(|mut parser| {
            let mut parsed = parser.parse_expr()?;
            as_equalities(&mut parsed);
            parser.expect_token(&Token::EOF).map(|_| parsed)
        });
        // A value that was given for a placeholder is not what was typed.
        parsed.is_ok_and(|parsed| parsed == *expr || has_placeholder(&parsed))
    };
    text.filter(is_its_text).cloned().unwrap_or_else(|| expr.to_string())
}

fn has_placeholder(expr: &Expr) -> bool {
    let mut is_placeholder = |part: &Expr| match part {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    each_expr(expr, &mut is_placeholder).is_break()
}

fn differing(heading: &str, again: Again, taken: &HashSet<String>) -> String {
    let mut number = 2;
    loop {
        let name = match again {
            Again::Hidden => format!("{heading}{AGAIN}{number}"),
            Again::Counted => format!("{heading}_{number}"),
        };
        if !taken.contains(&name) {
            return name;
        }
        number += 1;
    }
}

fn column_parts(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Identifier(ident) => Some(vec![ident.value.clone()]),
        Expr::CompoundIdentifier(parts) => Some(parts.iter().map(|part| part.value.clone()).collect()),
        _ => None,
    }
}

/// Whether two names may be one column: the same name, and no other relation.
fn same_column(one: &[String], other: &[String]) -> bool {
    let length = one.len().min(other.len());
    one.iter().rev().take(length).eq(other.iter().rev().take(length))
}
