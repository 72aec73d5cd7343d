//! Tables for documents: Markdown and HTML.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::output::Options;
use crate::output::cell::{Shape, is_number, readers};
use crate::output::text::visible;

/// Which language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    /// A table of GitHub Flavored Markdown (<https://github.github.com/gfm/#tables-extension->). It always has a
    /// heading, if an empty one.
    Markdown,
    /// A `<table>`, to stand in a page. Cells of numbers and of NULL have a class that says so.
    Html,
}

/// Rows as a table in a markup language. No value can act as markup.
pub(super) struct MarkupTable {
    schema: SchemaRef,
    markup: Markup,
    options: Options,
    begun: bool,
}

impl MarkupTable {
    pub(super) fn new(markup: Markup, schema: &Schema, options: &Options) -> Self {
        Self { schema: SchemaRef::new(schema.clone()), markup, options: options.clone(), begun: false }
    }

    pub(super) fn rows(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        self.begin(out);
        let readers = readers(&self.schema, batch)?;
        let numbers: Vec<bool> = self.schema.fields().iter().map(|field| is_number(field.data_type())).collect();
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            out.push_str(if self.markup == Markup::Html { "<tr>" } else { "|" });
            for (read, number) in readers.iter().zip(&numbers) {
                value.clear();
                let null = read(row, &mut value) == Shape::Null;
                if null {
                    value.push_str(&self.options.null);
                }
                match self.markup {
                    Markup::Markdown => {
                        out.push(' ');
                        self.put_text(&value, out);
                        out.push_str(" |");
                    }
                    Markup::Html => {
                        out.push_str(match (null, number) {
                            (true, _) => "<td class=\"null\">",
                            (false, true) => "<td class=\"number\">",
                            (false, false) => "<td>",
                        });
                        self.put_text(&value, out);
                        out.push_str("</td>");
                    }
                }
            }
            out.push_str(if self.markup == Markup::Html { "</tr>\n" } else { "\n" });
        }
        Ok(())
    }

    pub(super) fn end(mut self, out: &mut String) {
        self.begin(out);
        if self.markup == Markup::Html {
            out.push_str("</tbody>\n</table>\n");
        }
    }

    fn begin(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let fields = self.schema.fields();
        match self.markup {
            Markup::Markdown => {
                out.push('|');
                for field in fields {
                    out.push(' ');
                    if self.options.header {
                        self.put_text(field.name(), out);
                    }
                    out.push_str(" |");
                }
                out.push_str("\n|");
                for field in fields {
                    out.push_str(if is_number(field.data_type()) { " ---: |" } else { " --- |" });
                }
                out.push('\n');
            }
            Markup::Html => {
                out.push_str("<table>\n");
                if self.options.header {
                    out.push_str("<thead>\n<tr>");
                    for field in fields {
                        out.push_str("<th>");
                        self.put_text(field.name(), out);
                        out.push_str("</th>");
                    }
                    out.push_str("</tr>\n</thead>\n");
                }
                out.push_str("<tbody>\n");
            }
        }
    }

    /// Text that is nothing but text: lines stay lines, other control characters are written out.
    fn put_text(&self, text: &str, out: &mut String) {
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                out.push_str("<br>");
            }
            for c in visible(line.strip_suffix('\r').unwrap_or(line)).chars() {
                match (self.markup, c) {
                    (_, '&') => out.push_str("&amp;"),
                    (_, '<') => out.push_str("&lt;"),
                    (_, '>') => out.push_str("&gt;"),
                    (Markup::Html, '"') => out.push_str("&quot;"),
                    (Markup::Html, '\'') => out.push_str("&#39;"),
                    (Markup::Markdown, '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '!' | '$') => {
                        out.push('\\');
                        out.push(c);
                    }
                    _ => out.push(c),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows() -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let names: ArrayRef = Arc::new(StringArray::from(vec![
            Some("a|b <b>&amp;</b> *x* `y` [z](u)\nline\r\n\u{1b}[31m \"q\" 'r' 日本"),
            Some(""),
        ]));
        RecordBatch::try_from_iter([("id", ids), ("na<me>", names)]).unwrap()
    }

    fn written(markup: Markup, header: bool) -> String {
        let options = Options { header, ..Options::default() };
        let batch = rows();
        let mut table = MarkupTable::new(markup, batch.schema_ref(), &options);
        let mut out = String::new();
        table.rows(&batch, &mut out).unwrap();
        table.end(&mut out);
        out
    }

    #[test]
    fn markdown_holds_any_text() {
        assert_eq!(
            written(Markup::Markdown, true),
            "| id | na&lt;me&gt; |\n\
             | ---: | --- |\n\
             | 1 | a\\|b &lt;b&gt;&amp;amp;&lt;/b&gt; \\*x\\* \\`y\\` \\[z\\](u)<br>line<br>\\\\x1b\\[31m \"q\" 'r' 日本 |\n\
             | NULL |  |\n"
        );
        assert!(written(Markup::Markdown, false).starts_with("|  |  |\n| ---: | --- |\n"));
    }

    #[test]
    fn html_is_a_whole_fragment_without_foreign_markup() {
        assert_eq!(
            written(Markup::Html, true),
            "<table>\n<thead>\n<tr><th>id</th><th>na&lt;me&gt;</th></tr>\n</thead>\n<tbody>\n\
             <tr><td class=\"number\">1</td><td>a|b &lt;b&gt;&amp;amp;&lt;/b&gt; *x* `y` [z](u)<br>line<br>\\x1b[31m \
             &quot;q&quot; &#39;r&#39; 日本</td></tr>\n\
             <tr><td class=\"null\">NULL</td><td></td></tr>\n</tbody>\n</table>\n"
        );
        assert!(written(Markup::Html, false).starts_with("<table>\n<tbody>\n<tr>"));
    }

    #[test]
    fn without_rows_there_is_a_heading() {
        let options = Options::default();
        let mut out = String::new();
        MarkupTable::new(Markup::Html, rows().schema_ref(), &options).end(&mut out);
        assert!(out.ends_with("</thead>\n<tbody>\n</tbody>\n</table>\n"), "{out}");
    }
}
