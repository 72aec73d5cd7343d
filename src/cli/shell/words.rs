//! The keywords that are coloured and offered.

/// What a statement may begin with.
pub(super) const STATEMENTS: &[&str] = &[
    "SELECT",
    "INSERT INTO",
    "UPDATE",
    "REPLACE",
    "DELETE FROM",
    "EXEC",
    "WITH",
    "VALUES",
    "SHOW",
    "DESCRIBE",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "PLAN",
    "APPLY",
    "RESUME",
    "FORGET",
    "SET",
    "RESET",
    "USE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "COPY",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "CREATE VIEW",
    "CREATE TABLE",
    "CREATE MATERIALIZED VIEW",
    "REFRESH MATERIALIZED VIEW",
    "DROP VIEW",
    "DROP TABLE",
    "DROP MATERIALIZED VIEW",
];

/// What `SHOW` shows.
pub(super) const SHOWN: &[&str] = &[
    "PROVIDERS",
    "SERVICES IN",
    "RESOURCES IN",
    "METHODS IN",
    "INSERT INTO",
    "FUNCTIONS",
    "TABLES",
    "VIEWS",
    "EXTENDED",
    "WARNINGS",
    "JOURNAL",
    "SETTINGS",
    "ALL",
];

/// What begins a value.
pub(super) const OPERANDS: &[&str] =
    &["CASE", "CAST", "DISTINCT", "EXISTS", "FALSE", "INTERVAL", "NOT", "NULL", "TRUE"];

/// What may follow a value, in any clause.
pub(super) const OPERATORS: &[&str] =
    &["AND", "OR", "IN", "IS NULL", "IS NOT NULL", "LIKE", "ILIKE", "BETWEEN", "NOT IN", "NOT LIKE"];

/// What may follow the rows of a FROM.
pub(super) const AFTER_TABLE: &[&str] = &[
    "WHERE",
    "JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
    "CROSS JOIN",
    "ON",
    "USING",
    "AS",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "UNION ALL",
];

/// What may follow a WHERE.
pub(super) const AFTER_CONDITION: &[&str] =
    &["GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET", "UNION ALL", "RETURNING"];

/// Every word that is coloured as a keyword.
const KEYWORDS: &[&str] = &[
    "ALL",
    "ANALYZE",
    "AND",
    "APPLY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COMMIT",
    "COPY",
    "CREATE",
    "CROSS",
    "DEALLOCATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXEC",
    "EXECUTE",
    "EXISTS",
    "EXPLAIN",
    "EXTENDED",
    "FALSE",
    "FETCH",
    "FILTER",
    "FORGET",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "JOURNAL",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MATERIALIZED",
    "METHOD",
    "METHODS",
    "NATURAL",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PLAN",
    "PREPARE",
    "PROVIDERS",
    "RECURSIVE",
    "REFRESH",
    "REPLACE",
    "RESET",
    "RESOURCES",
    "RESUME",
    "RETURNING",
    "RIGHT",
    "ROLLBACK",
    "SELECT",
    "SEMI",
    "SERVICES",
    "SET",
    "SETTINGS",
    "SHOW",
    "TABLE",
    "TABLES",
    "TEMPORARY",
    "THEN",
    "TRUE",
    "UNION",
    "UNNEST",
    "UPDATE",
    "USE",
    "USING",
    "VALUES",
    "VIEW",
    "VIEWS",
    "WARNINGS",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Keywords that a column of that name must be quoted to be told from.
const RESERVED: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CROSS",
    "DELETE",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FETCH",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "RETURNING",
    "RIGHT",
    "SELECT",
    "SET",
    "TABLE",
    "THEN",
    "TRUE",
    "UNION",
    "UPDATE",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Whether a word is coloured as a keyword.
pub(super) fn is_keyword(word: &str) -> bool {
    is_among(word, KEYWORDS)
}

/// Whether a name must stand in quotes to be read as one.
pub(super) fn is_reserved(word: &str) -> bool {
    is_among(word, RESERVED)
}

/// All keywords, sorted.
pub(super) fn keywords() -> &'static [&'static str] {
    KEYWORDS
}

fn is_among(word: &str, sorted: &[&str]) -> bool {
    // No keyword is longer; a long name need not be copied.
    word.len() <= 16 && sorted.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!(KEYWORDS.is_sorted());
        assert!(RESERVED.is_sorted());
        assert!(is_keyword("select") && is_keyword("Where") && !is_keyword("images"));
    }
}
