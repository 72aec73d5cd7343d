//! Where in a statement the cursor stands, and which tables the statement names.

use crate::cli::shell::lexer::{Kind, Token};
use crate::cli::shell::words::{SHOWN, is_keyword};

/// What a table is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Select,
    Insert,
    Update,
    Replace,
    Delete,
    /// A method follows.
    Exec,
    /// A method follows, which may serve any verb.
    Method,
    /// One of the user's own.
    Own,
    /// Up to so many parts of a name: 1 is a provider.
    Parts(usize),
}

/// A table of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    pub(super) parts: Vec<String>,
    pub(super) alias: Option<String>,
    pub(super) purpose: Purpose,
}

/// What may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The first word of a statement.
    Statement,
    /// What follows SHOW, DESCRIBE and the like.
    Words(&'static [&'static str]),
    /// A table, or words in its place.
    Table(Purpose, &'static [&'static str]),
    /// A parameter inside the parentheses behind a table.
    Arguments(Vec<String>),
    /// A column inside the parentheses of an INSERT; these are named already.
    InsertColumn(TableName, Vec<String>),
    /// A column behind SET.
    SetColumn,
    /// An argument of EXEC; these are given already.
    ExecArgument(Vec<String>, Vec<String>),
    /// A value or a column.
    Operand,
    /// What follows a value.
    AfterOperand(Clause),
    Setting,
    SettingValue(String),
}

/// The part of a query that a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    Begin,
    Select,
    From,
    Condition,
    Order,
    Into,
    Set,
    Values,
    Other,
}

/// A statement, or as much of it as there is, read once from left to right.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) tables: Vec<TableName>,
    /// Names that WITH gives.
    pub(super) named_queries: Vec<String>,
    verb: String,
    frames: Vec<Frame>,
    exec: Option<Vec<String>>,
    given: Vec<String>,
}

/// What an open parenthesis holds; the first is the statement itself.
#[derive(Debug)]
struct Frame {
    clause: Clause,
    holds: Holds,
}

#[derive(Debug)]
enum Holds {
    Anything,
    Arguments(Vec<String>),
    Columns(TableName, Vec<String>),
}

/// A dotted name that begins at `from`, and the first token behind it. `tokens` are those that count.
fn dotted(tokens: &[&Token<'_>], from: usize) -> Option<(Vec<String>, usize)> {
    let mut parts = vec![name_at(tokens, from)?];
    let mut at = from + 1;
    while tokens.get(at).is_some_and(|token| token.is_symbol(".")) {
        let Some(part) = tokens.get(at + 1).and_then(|token| token.name()) else { break };
        parts.push(part);
        at += 2;
    }
    Some((parts, at))
}

/// A name that is no keyword, unless a dot makes it a part of a name.
fn name_at(tokens: &[&Token<'_>], at: usize) -> Option<String> {
    let token = tokens.get(at)?;
    let dotted = tokens.get(at + 1).is_some_and(|next| next.is_symbol("."));
    if token.kind == Kind::Word && is_keyword(token.text) && !dotted { None } else { token.name() }
}

impl Reading {
    /// Reads the tokens that count.
    pub(super) fn of(tokens: &[&Token<'_>]) -> Self {
        let mut reading = Self::default();
        reading.frames.push(Frame { clause: Clause::Begin, holds: Holds::Anything });
        let mut at = 0;
        while at < tokens.len() {
            at = reading.take(tokens, at).max(at + 1);
        }
        reading
    }

    /// Takes one token, or a whole name, and says where to go on.
    fn take(&mut self, tokens: &[&Token<'_>], at: usize) -> usize {
        let token = tokens[at];
        match token.kind {
            Kind::Open => {
                self.frames.push(Frame { clause: Clause::Begin, holds: Holds::Anything });
                at + 1
            }
            Kind::Close => {
                if self.frames.len() > 1 {
                    self.frames.pop();
                }
                at + 1
            }
            Kind::Symbol if token.text == "," && self.clause() == Clause::From => {
                self.table(tokens, at + 1, Purpose::Select)
            }
            Kind::Word if token.text.starts_with('@') => {
                self.given.push(token.text.trim_start_matches('@').to_lowercase());
                at + 1
            }
            Kind::Word if !is_part(tokens, at) => self.word(tokens, at),
            Kind::Word | Kind::Quoted => {
                if let (Some(name), Some(Frame { holds: Holds::Columns(_, named), .. })) =
                    (token.name(), self.frames.last_mut())
                {
                    named.push(name);
                }
                at + 1
            }
            _ => at + 1,
        }
    }

    fn word(&mut self, tokens: &[&Token<'_>], at: usize) -> usize {
        let word = tokens[at].text.to_uppercase();
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let is_first = self.verb.is_empty() || matches!(self.verb.as_str(), "PLAN" | "EXPLAIN" | "ANALYZE");
        if is_first && self.frames.len() == 1 {
            self.verb.clone_from(&word);
        }
        match word.as_str() {
            "SELECT" | "RETURNING" => self.enter(Clause::Select),
            "FROM" if before.is_some_and(|before| before.is_word("DELETE")) => {
                return self.table(tokens, at + 1, Purpose::Delete);
            }
            "FROM" | "JOIN" => return self.table(tokens, at + 1, Purpose::Select),
            "INTO" if self.verb == "REPLACE" => return self.target(tokens, at + 1, Purpose::Replace),
            "INTO" if self.verb == "INSERT" => return self.target(tokens, at + 1, Purpose::Insert),
            "UPDATE" if is_first => return self.target(tokens, at + 1, Purpose::Update),
            "REPLACE" if is_first => return self.target(tokens, at + 1, Purpose::Replace),
            "EXEC" | "EXECUTE" if is_first => {
                if let Some((parts, next)) = dotted(tokens, at + 1) {
                    self.exec = Some(parts);
                    return next;
                }
            }
            "ON" | "WHERE" | "HAVING" | "USING" => self.enter(Clause::Condition),
            "GROUP" | "ORDER" | "LIMIT" => self.enter(Clause::Order),
            "SET" if self.verb != "SET" => self.enter(Clause::Set),
            "VALUES" => self.enter(Clause::Values),
            "UNION" | "EXCEPT" | "INTERSECT" => self.enter(Clause::Begin),
            "AS" if tokens.get(at + 1).is_some_and(|next| next.is_symbol("(")) => {
                if self.clause() == Clause::Begin
                    && let Some(name) = before.and_then(Token::name)
                {
                    self.named_queries.push(name);
                }
            }
            _ => {
                if let Some(Frame { holds: Holds::Columns(_, named), .. }) = self.frames.last_mut() {
                    named.push(tokens[at].text.to_owned());
                }
            }
        }
        at + 1
    }

    /// A table of FROM, with its arguments and alias.
    fn table(&mut self, tokens: &[&Token<'_>], at: usize, purpose: Purpose) -> usize {
        self.enter(Clause::From);
        let Some((parts, mut next)) = dotted(tokens, at) else { return at };
        if tokens.get(next).is_some_and(|token| token.is_symbol("(")) {
            self.tables.push(TableName { parts: parts.clone(), alias: None, purpose });
            self.frames.push(Frame { clause: Clause::Other, holds: Holds::Arguments(parts) });
            return next + 1;
        }
        if tokens.get(next).is_some_and(|token| token.is_word("AS")) {
            next += 1;
        }
        let alias = name_at(tokens, next).filter(|_| !is_part(tokens, next));
        self.tables.push(TableName { parts, alias: alias.clone(), purpose });
        if alias.is_some() { next + 1 } else { next }
    }

    /// The table of a write.
    fn target(&mut self, tokens: &[&Token<'_>], at: usize, purpose: Purpose) -> usize {
        self.enter(Clause::Into);
        let Some((parts, next)) = dotted(tokens, at) else { return at };
        let table = TableName { parts, alias: None, purpose };
        self.tables.push(table.clone());
        if tokens.get(next).is_some_and(|token| token.is_symbol("(")) {
            self.frames.push(Frame { clause: Clause::Other, holds: Holds::Columns(table, Vec::new()) });
            return next + 1;
        }
        next
    }

    fn enter(&mut self, clause: Clause) {
        if let Some(frame) = self.frames.last_mut() {
            frame.clause = clause;
        }
    }

    fn clause(&self) -> Clause {
        self.frames.last().map_or(Clause::Begin, |frame| frame.clause)
    }

    /// The method of an EXEC.
    pub(super) fn exec(&self) -> Option<&Vec<String>> {
        self.exec.as_ref()
    }

    /// What may follow the tokens that were read.
    pub(super) fn place(&self, tokens: &[&Token<'_>]) -> Place {
        let Some(last) = tokens.last() else { return Place::Statement };
        let word = if last.kind == Kind::Word && !is_part(tokens, tokens.len() - 1) {
            last.text.to_uppercase()
        } else {
            String::new()
        };
        if let Some(place) = self.after_word(&word, tokens) {
            return place;
        }
        let holds = self.frames.last().map(|frame| &frame.holds);
        let separates = last.is_symbol(",") || last.is_symbol("(");
        match holds {
            Some(Holds::Columns(table, named)) if separates => {
                return Place::InsertColumn(table.clone(), named.clone());
            }
            Some(Holds::Arguments(table)) if separates => return Place::Arguments(table.clone()),
            _ => {}
        }
        let starred = last.is_symbol("*") && ends_list(tokens);
        let ends_value = starred
            || match last.kind {
                Kind::Quoted | Kind::Text | Kind::Number | Kind::Close => true,
                Kind::Word => {
                    word.is_empty() || !is_keyword(&word) || matches!(word.as_str(), "NULL" | "TRUE" | "FALSE" | "END")
                }
                _ => false,
            };
        if let Some(method) = &self.exec
            && (ends_value || last.is_symbol(","))
        {
            return Place::ExecArgument(method.clone(), self.given.clone());
        }
        if self.verb == "SET" && self.frames.len() == 1 {
            return match tokens {
                [_, setting, sign] if sign.is_symbol("=") => Place::SettingValue(setting.text.to_lowercase()),
                _ => Place::Words(&[]),
            };
        }
        if ends_value {
            return Place::AfterOperand(self.clause());
        }
        match self.clause() {
            Clause::From if last.is_symbol(",") => Place::Table(Purpose::Select, &[]),
            Clause::Set if last.is_symbol(",") => Place::SetColumn,
            _ => Place::Operand,
        }
    }

    /// The place behind a keyword, where it decides.
    fn after_word(&self, word: &str, tokens: &[&Token<'_>]) -> Option<Place> {
        let before = tokens.len().checked_sub(2).map(|at| tokens[at]);
        let second = tokens.get(1).map(|token| token.text.to_uppercase()).unwrap_or_default();
        let alone = tokens.len() == 1;
        Some(match (word, self.verb.as_str()) {
            ("FROM" | "IN", "SHOW") => {
                let shown = if second == "EXTENDED" { tokens.get(2).map_or("", |token| token.text) } else { &second };
                let parts = match shown.to_uppercase().as_str() {
                    "SERVICES" => 1,
                    "RESOURCES" => 2,
                    _ => 3,
                };
                Place::Table(Purpose::Parts(parts), &[])
            }
            ("FROM", _) if before.is_some_and(|before| before.is_word("DELETE")) => Place::Table(Purpose::Delete, &[]),
            ("FROM" | "JOIN", _) => Place::Table(Purpose::Select, &["LATERAL"]),
            ("INTO", "REPLACE") => Place::Table(Purpose::Replace, &[]),
            ("INTO", _) => Place::Table(Purpose::Insert, &[]),
            ("UPDATE", "UPDATE") => Place::Table(Purpose::Update, &[]),
            ("REPLACE", "REPLACE") => Place::Table(Purpose::Replace, &["INTO"]),
            ("EXEC" | "EXECUTE", _) => Place::Table(Purpose::Exec, &[]),
            ("SHOW" | "EXTENDED", "SHOW") => Place::Words(SHOWN),
            ("DESCRIBE" | "DESC", _) if alone => Place::Table(Purpose::Parts(3), &["EXTENDED", "METHOD"]),
            ("EXTENDED", "DESCRIBE" | "DESC") if second == "METHOD" => Place::Table(Purpose::Method, &[]),
            ("EXTENDED", "DESCRIBE" | "DESC") => Place::Table(Purpose::Parts(3), &[]),
            ("METHOD", "DESCRIBE" | "DESC") => Place::Table(Purpose::Method, &["EXTENDED"]),
            ("USE", "USE") => Place::Table(Purpose::Parts(2), &[]),
            ("SET", "SET") | ("RESET", "RESET") => Place::Setting,
            ("SET", _) => Place::SetColumn,
            ("PLAN", _) => Place::Words(&["INSERT INTO", "UPDATE", "REPLACE", "DELETE FROM", "EXEC"]),
            ("EXPLAIN", _) => {
                Place::Words(&["ANALYZE", "SELECT", "WITH", "INSERT INTO", "UPDATE", "REPLACE", "DELETE FROM", "EXEC"])
            }
            ("INSERT", _) => Place::Words(&["INTO"]),
            ("DELETE", _) => Place::Words(&["FROM"]),
            ("CREATE", _) => {
                Place::Words(&["VIEW", "TABLE", "MATERIALIZED VIEW", "TEMPORARY VIEW", "TEMPORARY TABLE", "OR REPLACE"])
            }
            ("DROP", _) => Place::Words(&["VIEW", "TABLE", "MATERIALIZED VIEW"]),
            ("REFRESH", _) => Place::Words(&["MATERIALIZED VIEW"]),
            ("VIEW" | "TABLE", "DROP" | "REFRESH") => Place::Table(Purpose::Own, &["IF EXISTS"]),
            ("GROUP" | "ORDER" | "PARTITION", _) => Place::Words(&["BY"]),
            ("LEFT" | "RIGHT" | "FULL", _) => Place::Words(&["JOIN", "OUTER JOIN"]),
            ("CROSS" | "INNER" | "OUTER", _) => Place::Words(&["JOIN"]),
            ("IS", _) => Place::Words(&["NULL", "NOT NULL", "TRUE", "FALSE", "DISTINCT FROM"]),
            _ => return None,
        })
    }
}

/// Whether a word stands behind or before a dot, where it is a part of a name.
fn is_part(tokens: &[&Token<'_>], at: usize) -> bool {
    let is_dot = |at: usize| tokens.get(at).is_some_and(|token| token.is_symbol("."));
    is_dot(at + 1) || at.checked_sub(1).is_some_and(is_dot)
}

/// Whether a `*` at the end stands for all columns, and multiplies nothing.
fn ends_list(tokens: &[&Token<'_>]) -> bool {
    let Some(before) = tokens.len().checked_sub(2).map(|at| tokens[at]) else { return false };
    [",", "(", "."].iter().any(|symbol| before.is_symbol(symbol))
        || before.kind == Kind::Word && is_keyword(before.text)
}
