//! A screen as a picture: SVG, for the documentation.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 14.0;
/// Room for the bar that says that this is a window.
const BAR: f64 = 26.0;
const BACKGROUND: &str = "#1b1e26";
const FOREGROUND: &str = "#d5dae5";

/// The lines of a screen that hold something, drawn.
pub(crate) fn picture(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let is_empty = |row: &u16| screen.rows(0, columns).nth(usize::from(*row)).is_none_or(|line| line.trim().is_empty());
    let rows = (0..rows).rev().find(|row| !is_empty(row)).map_or(1, |last| last + 1);
    let (width, height) = (f64::from(columns) * CELL.0 + 2.0 * MARGIN, f64::from(rows) * CELL.1 + 2.0 * MARGIN + BAR);
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">"
    )
    .unwrap();
    writeln!(svg, "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>").unwrap();
    for (at, color) in ["#e0655f", "#e0af4d", "#5fb65a"].into_iter().enumerate() {
        let x = MARGIN + 6.0 + 18.0 * f64::from(u8::try_from(at).unwrap());
        writeln!(svg, "<circle cx=\"{x:.0}\" cy=\"{:.0}\" r=\"5.5\" fill=\"{color}\"/>", MARGIN + 4.0).unwrap();
    }
    for row in 0..rows {
        put_row(screen, row, columns, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Cells of one style are one piece of text, of which the width is said, so that fonts of other widths still fit.
fn put_row(screen: &Screen, row: u16, columns: u16, svg: &mut String) {
    let mut start = 0;
    while start < columns {
        let Some(first) = screen.cell(row, start) else { break };
        let style = Style::of(first);
        let mut text = String::new();
        let mut end = start;
        while let Some(cell) = screen.cell(row, end).filter(|cell| end < columns && Style::of(cell) == style) {
            if !cell.is_wide_continuation() {
                text.push_str(if cell.has_contents() { cell.contents() } else { " " });
            }
            end += 1;
        }
        let end = end.max(start + 1);
        put_text(&text, row, start, end, &style, svg);
        start = end;
    }
}

fn put_text(text: &str, row: u16, start: u16, end: u16, style: &Style, svg: &mut String) {
    let (x, y) = (MARGIN + f64::from(start) * CELL.0, MARGIN + BAR + f64::from(row) * CELL.1);
    let width = f64::from(end - start) * CELL.0;
    if let Some(background) = &style.background {
        writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{background}\"/>",
            y - 13.5,
            CELL.1
        )
        .unwrap();
    }
    if text.trim().is_empty() {
        return;
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let bold = if style.bold { " font-weight=\"bold\"" } else { "" };
    let dim = if style.dim { " opacity=\"0.6\"" } else { "" };
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{}\"{bold}{dim} xml:space=\"preserve\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\">{escaped}</text>",
        style.foreground
    )
    .unwrap();
}

#[derive(PartialEq)]
struct Style {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
}

impl Style {
    fn of(cell: &Cell) -> Self {
        let foreground = color(cell.fgcolor()).unwrap_or_else(|| FOREGROUND.to_owned());
        let background = color(cell.bgcolor());
        let (foreground, background) = if cell.inverse() {
            (background.unwrap_or_else(|| BACKGROUND.to_owned()), Some(foreground))
        } else {
            (foreground, background)
        };
        Self { foreground, background, bold: cell.bold(), dim: cell.dim() }
    }
}

fn color(color: Color) -> Option<String> {
    const NAMED: [&str; 8] = ["#3b4150", "#e0655f", "#7fc27a", "#e0c06a", "#6ea8f0", "#c08be0", "#62c4cc", "#d5dae5"];
    match color {
        Color::Default => None,
        Color::Idx(index) => Some(NAMED[usize::from(index % 8)].to_owned()),
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
    }
}
