//! Which fields rows were found to hold, and by which of them rows were chosen: for writes, to which it matters whether an
//! API says that a field is null or says nothing of it.

use super::Report;

/// The fields of a table that were looked for.
#[derive(Debug)]
pub(super) struct Fields {
    table: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Whether a row held it, were it null; none where no row came.
    held: Option<bool>,
    /// Whether a condition read it.
    tested: bool,
}

impl Report {
    /// Notes of rows that came of a table which fields one of them held, were it as null.
    pub(crate) fn note_held<'a>(&self, table: &str, fields: impl Iterator<Item = (&'a str, bool)>) {
        self.note(table, fields, |field, held| field.held = Some(field.held.unwrap_or_default() || held));
    }

    /// Notes by which fields of a table rows were chosen.
    pub(crate) fn note_tested<'a>(&self, table: &str, fields: impl Iterator<Item = &'a str>) {
        self.note(table, fields.map(|name| (name, true)), |field, tested| field.tested = tested);
    }

    /// Whether rows of a table came, and none held the field.
    pub(crate) fn is_unheld(&self, table: &str, name: &str) -> bool {
        let listed = self.listed();
        let mut fields = listed.fields.iter().filter(|known| known.table == table).flat_map(|known| &known.fields);
        fields.any(|field| field.name == name && field.held == Some(false))
    }

    /// A table and a field of it by which rows were chosen, and which none of them held.
    pub(crate) fn tested_unheld(&self) -> Option<(String, String)> {
        let listed = self.listed();
        let is_unheld = |field: &&Field| field.tested && field.held == Some(false);
        let found = |known: &Fields| Some((known.table.clone(), known.fields.iter().find(is_unheld)?.name.clone()));
        listed.fields.iter().find_map(found)
    }

    fn note<'a, T>(&self, table: &str, fields: impl Iterator<Item = (&'a str, T)>, change: impl Fn(&mut Field, T)) {
        let mut listed = self.listed();
        let at = listed.fields.iter().position(|known| known.table == table).unwrap_or_else(|| {
            listed.fields.push(Fields { table: table.to_owned(), fields: Vec::new() });
            listed.fields.len() - 1
        });
        let known = &mut listed.fields[at].fields;
        for (name, value) in fields {
            let at = known.iter().position(|field| field.name == name).unwrap_or_else(|| {
                known.push(Field { name: name.to_owned(), held: None, tested: false });
                known.len() - 1
            });
            change(&mut known[at], value);
        }
    }
}
