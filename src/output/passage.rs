//! A text with lines of its own, such as a statement to fill in: shown as it is, ready to be taken away.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::output::cell::readers;
use crate::output::text::visible;

/// Marks a column whose values people want as they are, not in a table.
pub(crate) const PASSAGE: &str = "skyql.passage";

/// Texts without anything around them.
pub(super) struct Passage {
    schema: SchemaRef,
}

impl Passage {
    /// Where the only column is such a one.
    pub(super) fn of(schema: &Schema) -> Option<Self> {
        let is_one = schema.fields().len() == 1 && schema.field(0).metadata().contains_key(PASSAGE);
        is_one.then(|| Self { schema: SchemaRef::new(schema.clone()) })
    }

    pub(super) fn rows(&self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        let readers = readers(&self.schema, batch)?;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            for read in &readers {
                value.clear();
                read(row, &mut value);
                for line in value.lines() {
                    out.push_str(&visible(line));
                    out.push('\n');
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;
    use arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn lines_stay_lines_and_nothing_acts_on_the_terminal() {
        let field = |marked: bool| {
            let field = Field::new("t", DataType::Utf8, false);
            if marked { field.with_metadata([(PASSAGE.to_owned(), String::new())].into()) } else { field }
        };
        let schema = Arc::new(Schema::new(vec![field(true)]));
        let texts = StringArray::from(vec!["INSERT INTO t\n  (a) \u{1b}[2J\n"]);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(texts)]).unwrap();
        let mut out = String::new();
        Passage::of(&schema).unwrap().rows(&batch, &mut out).unwrap();
        assert_eq!(out, "INSERT INTO t\n  (a) \\x1b[2J\n");
        assert!(Passage::of(&Schema::new(vec![field(false)])).is_none());
        assert!(Passage::of(&Schema::new(vec![field(true), field(true)])).is_none());
    }
}
