//! The tables of facts: their names, columns, and where their rows come from.

use super::cells::CellKind::{self, Bool, Int, Number, Text};
use super::cells::Row;
use super::documents;
use super::state::{self, SessionFacts};
use crate::error::Result;
use crate::provider::{Provider, Resource, Service, ServiceEntry};

/// The schema of our own tables.
pub(in crate::engine) const SKYQL: &str = "skyql";
/// The schema of the tables that the SQL standard names.
pub(in crate::engine) const INFORMATION_SCHEMA: &str = "information_schema";

/// One table.
#[derive(Debug)]
pub(in crate::engine) struct Definition {
    /// [`SKYQL`] or [`INFORMATION_SCHEMA`].
    pub(in crate::engine) schema: &'static str,
    /// Its name.
    pub(in crate::engine) name: &'static str,
    /// Its columns, in order.
    pub(super) columns: &'static [(&'static str, CellKind)],
    /// The columns that hold the names of provider, service and resource: a condition on nothing else rules out
    /// documents before they are read.
    pub(super) scope: &'static [&'static str],
    pub(super) source: Source,
    /// Whether it tells of the user's own views and tables.
    pub(super) about_own: bool,
    /// Rows that no document gives.
    pub(super) own: Option<fn(&SessionFacts) -> Vec<Row>>,
}

/// Where rows come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Of each `provider.yaml`: its name, what it says or why it cannot be read, and where it is from.
    Providers(fn(&str, &Result<std::sync::Arc<Provider>>, &str) -> Row),
    /// Of each service that a `provider.yaml` lists.
    Services(fn(&Provider, &ServiceEntry) -> Row),
    /// Of each resource of each service.
    Resources(fn(&Service, &Resource, &mut Vec<Row>)),
    /// Of the session alone.
    Session(fn(&SessionFacts) -> Vec<Row>),
    /// Of files.
    Files(fn(&SessionFacts) -> Result<Vec<Row>>),
    /// The functions that queries may call.
    Functions,
    /// No rows but the own ones.
    Nothing,
}

impl Definition {
    /// The names of its columns.
    pub(in crate::engine) fn column_names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|(name, _)| *name)
    }
}

/// All tables.
pub(in crate::engine) fn definitions() -> &'static [Definition] {
    DEFINITIONS
}

/// The table of that name, without regard to case.
pub(in crate::engine) fn definition(schema: &str, name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|known| known.schema.eq_ignore_ascii_case(schema) && known.name.eq_ignore_ascii_case(name))
}

const NAMED: &[&str] = &["provider", "service", "resource"];
const STANDARD: &[&str] = &["table_catalog", "table_schema", "table_name"];

const DEFINITIONS: &[Definition] = &[
    Definition {
        schema: SKYQL,
        name: "providers",
        columns: &[
            ("name", Text),
            ("version", Text),
            ("title", Text),
            ("description", Text),
            ("services", Int),
            ("source", Text),
            ("error", Text),
        ],
        scope: &["name"],
        source: Source::Providers(documents::provider),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "services",
        columns: &[
            ("provider", Text),
            ("name", Text),
            ("id", Text),
            ("title", Text),
            ("version", Text),
            ("description", Text),
            ("document", Text),
        ],
        scope: &["provider", "name"],
        source: Source::Services(documents::service),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "resources",
        columns: &[
            ("provider", Text),
            ("service", Text),
            ("name", Text),
            ("id", Text),
            ("title", Text),
            ("description", Text),
            ("verbs", Text),
            ("methods", Int),
            ("keys", Text),
        ],
        scope: &["provider", "service", "name"],
        source: Source::Resources(documents::resource),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "methods",
        columns: &[
            ("provider", Text),
            ("service", Text),
            ("resource", Text),
            ("name", Text),
            ("verb", Text),
            ("required", Text),
            ("description", Text),
            ("http_method", Text),
            ("path", Text),
            ("effect", Text),
            ("paging", Text),
            ("aliases", Text),
        ],
        scope: NAMED,
        source: Source::Resources(documents::methods),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "parameters",
        columns: &[
            ("provider", Text),
            ("service", Text),
            ("resource", Text),
            ("method", Text),
            ("verb", Text),
            ("position", Int),
            ("name", Text),
            ("type", Text),
            ("location", Text),
            ("required", Bool),
            ("default", Text),
            ("values", Text),
            ("minimum", Number),
            ("maximum", Number),
            ("description", Text),
            ("variable", Text),
            ("secret", Bool),
        ],
        scope: NAMED,
        source: Source::Resources(documents::parameters),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "columns",
        columns: &[
            ("provider", Text),
            ("service", Text),
            ("resource", Text),
            ("position", Int),
            ("name", Text),
            ("type", Text),
            ("format", Text),
            ("description", Text),
            ("values", Text),
            ("key", Bool),
            ("read_only", Bool),
            ("secret", Bool),
            ("methods", Text),
        ],
        scope: NAMED,
        source: Source::Resources(documents::columns),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "outputs",
        columns: &[
            ("provider", Text),
            ("service", Text),
            ("resource", Text),
            ("method", Text),
            ("position", Int),
            ("name", Text),
            ("type", Text),
            ("format", Text),
            ("shape", Text),
            ("description", Text),
            ("values", Text),
            ("secret", Bool),
        ],
        scope: NAMED,
        source: Source::Resources(documents::outputs),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "settings",
        columns: &[("name", Text), ("value", Text), ("description", Text)],
        scope: &[],
        source: Source::Session(state::settings),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "functions",
        columns: &[("name", Text), ("kind", Text), ("syntax", Text), ("description", Text)],
        scope: &[],
        source: Source::Functions,
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "warnings",
        columns: &[("level", Text), ("code", Text), ("subject", Text), ("count", Int), ("message", Text)],
        scope: &[],
        source: Source::Session(state::warnings),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "last_report",
        columns: &[
            ("verdict", Text),
            ("rows", Int),
            ("calls", Int),
            ("retries", Int),
            ("bytes", Int),
            ("misfits", Int),
            ("not_found", Int),
            ("parts", Int),
            ("warnings", Int),
            ("waited_ms", Int),
            ("first_row_ms", Int),
            ("elapsed_ms", Int),
        ],
        scope: &[],
        source: Source::Session(state::last_report),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "journal",
        columns: &[
            ("at", Text),
            ("statement", Text),
            ("ended", Text),
            ("verb", Text),
            ("table", Text),
            ("call", Text),
            ("request", Text),
            ("state", Text),
            ("status", Text),
            ("ids", Text),
            ("message", Text),
        ],
        scope: &[],
        source: Source::Files(state::journal),
        about_own: false,
        own: None,
    },
    Definition {
        schema: SKYQL,
        name: "tables",
        columns: &[
            ("name", Text),
            ("kind", Text),
            ("temporary", Bool),
            ("taken", Text),
            ("verdict", Text),
            ("sql", Text),
            ("error", Text),
        ],
        scope: &[],
        source: Source::Session(state::own_objects),
        about_own: true,
        own: None,
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "schemata",
        columns: &[("catalog_name", Text), ("schema_name", Text)],
        scope: &["catalog_name", "schema_name"],
        source: Source::Services(documents::standard_schema),
        about_own: true,
        own: Some(state::standard_schemata),
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "tables",
        columns: &[("table_catalog", Text), ("table_schema", Text), ("table_name", Text), ("table_type", Text)],
        scope: STANDARD,
        source: Source::Resources(documents::standard_table),
        about_own: true,
        own: Some(state::standard_tables),
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "columns",
        columns: &[
            ("table_catalog", Text),
            ("table_schema", Text),
            ("table_name", Text),
            ("column_name", Text),
            ("ordinal_position", Int),
            ("column_default", Text),
            ("is_nullable", Text),
            ("data_type", Text),
        ],
        scope: STANDARD,
        source: Source::Resources(documents::standard_columns),
        about_own: true,
        own: Some(state::standard_columns),
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "views",
        columns: &[("table_catalog", Text), ("table_schema", Text), ("table_name", Text), ("view_definition", Text)],
        scope: STANDARD,
        source: Source::Nothing,
        about_own: true,
        own: Some(state::standard_views),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_one_table_however_it_is_shown() {
        let names: Vec<&str> = definition("skyql", "JOURNAL").unwrap().column_names().collect();
        assert_eq!(names, crate::engine::journal::COLUMNS);
    }

    #[test]
    fn a_scope_is_made_of_columns() {
        for known in definitions() {
            let names: Vec<&str> = known.column_names().collect();
            assert!(known.scope.iter().all(|column| names.contains(column)), "{}", known.name);
        }
    }
}
