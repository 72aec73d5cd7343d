//! The shell, in a real pseudo-terminal: what is typed, and what is seen.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

mod cancel;
mod commands;
mod own;
mod pictures;

use crate::support::terminal::{Start, Terminal};

const TAB: &str = "\t";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const CTRL_R: &str = "\u{12}";
const UP: &str = "\u{1b}[A";

fn sandbox() -> Start {
    Start::skyql(&["--sandbox"]).not_first()
}

/// The screen with what differs from run to run made equal.
fn steady(text: &str) -> String {
    let mut steady = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    for unit in [" ms", " s"] {
        steady = steady
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split(" · ").collect();
                let timed = |word: &&str| {
                    word.trim_end_matches(')').strip_suffix(unit).is_some_and(|n| n.parse::<f64>().is_ok())
                };
                let words: Vec<String> = words
                    .iter()
                    .map(|word| {
                        if timed(word) { word.replace(word.trim_end_matches(')'), "N ms") } else { (*word).to_owned() }
                    })
                    .collect();
                words.join(" · ")
            })
            .collect::<Vec<_>>()
            .join("\n");
    }
    steady
}

#[test]
fn a_first_start_greets_with_three_things_to_try() {
    let real = Start::skyql(&[]).run();
    real.prompt();
    insta::assert_snapshot!("greeting", steady(&real.text()));
    let again = Start::skyql(&[]).not_first().run();
    again.prompt();
    assert_eq!(again.text().lines().count(), 2, "{}", again.text());
    let played = Start::skyql(&["--sandbox"]).run();
    played.prompt();
    insta::assert_snapshot!("greeting_sandbox", steady(&played.text()));
    // What it proposes works.
    let shown = played.line("SELECT id, label, size FROM linode.images.images WHERE is_public = true LIMIT 5;");
    assert!(shown.contains("(5 rows · 1 call"), "{shown}");
    let shown = played.line("EXPLAIN DELETE FROM linode.images.images WHERE id = 'private/1';");
    assert!(shown.contains("DELETE http"), "{shown}");
}

#[test]
fn statements_may_take_several_lines_and_are_coloured() {
    let terminal = sandbox().run();
    terminal.prompt().typed("SELECT id, size").keys("\r").typed("FROM linode.images.images").keys("\r");
    terminal.typed("ORDER BY size DESC LIMIT 2;").keys("\r").shows("2 rows").prompt();
    insta::assert_snapshot!("several_lines", steady(&terminal.text()));
    let screen = terminal.screen();
    let row = (0..24).find(|row| screen.rows(0, 100).nth(usize::from(*row)).unwrap().contains("SELECT id")).unwrap();
    let keyword = screen.cell(row, u16::try_from("skyql sandbox> ".len()).unwrap()).unwrap();
    assert!(keyword.bold() && keyword.fgcolor() == vt100::Color::Idx(4), "{keyword:?}");
    // A bracket shows its other half.
    terminal.typed("SELECT lower(trim('x'))");
    let screen = terminal.screen();
    let (row, column) = screen.cursor_position();
    assert!(screen.cell(row, column - 1).unwrap().inverse());
    let inverse: Vec<u16> = (0..column).filter(|at| screen.cell(row, *at).unwrap().inverse()).collect();
    assert_eq!(inverse.len(), 2, "{inverse:?}");
    terminal.keys(CTRL_C).prompt();
}

#[test]
fn without_colour_there_are_no_colours() {
    let terminal = sandbox().env("NO_COLOR", "1").run();
    terminal.line("SELECT NULL AS nothing, 'x' AS text;");
    terminal.line("\\zz");
    let screen = terminal.screen();
    for row in 0..24 {
        for column in 0..100 {
            let cell = screen.cell(row, column).unwrap();
            assert!(cell.fgcolor() == vt100::Color::Default && !cell.bold() && !cell.dim() && !cell.inverse());
        }
    }
}

#[test]
fn tab_completes_what_is_begun() {
    let terminal = sandbox().run();
    terminal.prompt().typed("select * from lino").keys(TAB).shows("from linode.");
    terminal.keys("im").keys(TAB).shows("linode.images.");
    // The document is read while it is typed; the first key may come too early.
    terminal.keys("im").keys(TAB).shows("linode.images.im");
    terminal.until("the resource", |screen| {
        let found = screen.contents().contains("from linode.images.images");
        if !found {
            terminal.keys(TAB);
        }
        found
    });
    terminal.typed(" where ven").keys(TAB).shows("where vendor");
    terminal.keys(CTRL_C).prompt().typed("SELECT * FROM linode.domains.records WHERE ").keys(TAB).until(
        "the names and the line below them",
        |screen| {
            let shown = screen.contents();
            shown.contains("domainId (required)") && shown.matches("records WHERE").count() == 2
        },
    );
    insta::assert_snapshot!("completion", steady(&terminal.text()));
    terminal.keys(CTRL_C).prompt().typed("\\ti").keys(TAB).shows("\\timing");
    terminal.keys(CTRL_C).prompt();
}

#[test]
fn history_goes_back_hints_and_is_searched() {
    let terminal = sandbox().run();
    terminal.line("SELECT 'first' AS a;");
    terminal.line("SELECT 'second' AS b;");
    let recalled = |screen: &vt100::Screen| screen.contents().matches("> SELECT 'second' AS b;").count() == 2;
    terminal.keys(UP).until("the last line again", recalled);
    terminal.keys(CTRL_C).prompt();
    terminal.keys(CTRL_R).keys("fir").shows("reverse-i-search").shows("SELECT 'first' AS a;");
    terminal.keys(CTRL_C).prompt();
    // The rest of an earlier line stands dimmed behind the cursor.
    terminal.keys("SELECT 's").until("a hint", |screen| {
        let (row, column) = screen.cursor_position();
        let line = screen.rows(0, 100).nth(usize::from(row)).unwrap();
        line.trim_end().ends_with("SELECT 'second' AS b;") && screen.cell(row, column).unwrap().dim()
    });
    terminal.keys(CTRL_C).prompt();
    let kept = std::fs::read_to_string(terminal.home().join("history")).unwrap();
    assert!(kept.contains("SELECT 'first' AS a;") && kept.contains("SELECT 'second' AS b;"), "{kept}");
}

#[test]
fn secrets_are_in_no_history() {
    let terminal = sandbox().run();
    let shown = terminal.line("SELECT 1 AS n FROM (SELECT 'x' AS token) WHERE token = 'hush';");
    assert!(shown.contains("not kept in the history: it holds a secret (`token`)"), "{shown}");
    terminal.typed("").keys(UP).shows("> SELECT 1;");
    terminal.keys(CTRL_C).prompt();
    let kept = std::fs::read_to_string(terminal.home().join("history")).unwrap();
    assert!(!kept.contains("hush"), "{kept}");
}

#[test]
fn a_history_that_cannot_be_written_is_said_once() {
    let terminal = Start::skyql(&["--sandbox", "--history", "taken/history"]).file("taken", "no directory").run();
    assert!(terminal.line("SELECT 1;").contains("the history is not kept: `taken/history`"));
    terminal.line("SELECT 2;");
    assert_eq!(terminal.line("SELECT 3;").matches("the history is not kept").count(), 1);
    let none = Start::skyql(&["--history="]).run();
    assert!(!none.line("SELECT 1;").contains("the history is not kept"));
}

#[test]
fn leaving_is_ctrl_d_or_a_word() {
    for words in [CTRL_D, "\\q\r", "exit\r", "QUIT;\r"] {
        let terminal = sandbox().run();
        terminal.prompt().keys(words);
        assert_eq!(terminal.ends(), Some(0), "{words:?}");
    }
    // Ctrl-C clears what is typed and leaves nothing.
    let terminal = sandbox().run();
    terminal.prompt().typed("SELECT (").keys(CTRL_C).prompt();
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), Some(0));
}

#[test]
fn tables_follow_the_width_of_the_terminal() {
    let terminal = sandbox().run();
    terminal.prompt();
    let query = "SELECT id, label, description, size FROM linode.images.images LIMIT 1;";
    assert!(terminal.line(query).contains('┌'));
    let width =
        |text: &str| text.lines().filter(|line| line.contains(['│', '┌'])).map(|line| line.chars().count()).max();
    let line = |terminal: &Terminal, text: &str| {
        terminal.line("\\o out.txt");
        terminal.line("\\o");
        terminal.line(text)
    };
    terminal.resize(24, 60);
    let narrow = line(&terminal, query);
    let last = narrow.rsplit("rows are shown here").next().unwrap();
    assert!(width(last).unwrap() <= 60, "{narrow}");
    // Where even that is too narrow, each row is a list.
    terminal.resize(24, 20);
    terminal.keys(query).keys("\r").shows("─[ 1 ]");
    terminal.until("an end", |screen| screen.contents().contains("(1 row"));
}

#[test]
fn text_of_all_scripts_and_none_is_shown_safely() {
    let terminal = sandbox().run();
    let shown = terminal.line("SELECT '日本語 👩‍👩‍👧 שלום' AS text, chr(27) || '[2J' AS sly;");
    assert!(shown.contains("日本語") && shown.contains("שלום") && shown.contains("\\x1b[2J"), "{shown}");
    let shown = terminal.line("SELECT '[2J' x y z;");
    assert!(shown.contains("error:"), "{shown}");
}

#[test]
fn a_transaction_shows_in_the_prompt() {
    let terminal = sandbox().run();
    terminal.line("BEGIN;");
    assert!(terminal.text().ends_with("skyql sandbox*>"), "{}", terminal.text());
    terminal.line(
        "INSERT INTO linode.domains.domains (domain, type, soa_email) VALUES ('a.example', 'master', 'a@a.example');",
    );
    terminal.line("ROLLBACK;");
    assert!(terminal.text().ends_with("skyql sandbox>"), "{}", terminal.text());
    terminal.line("BEGIN;");
    terminal.line(
        "INSERT INTO linode.domains.domains (domain, type, soa_email) VALUES ('a.example', 'master', 'a@a.example');",
    );
    terminal.keys("\\q\r").shows("1 write waited for COMMIT; nothing was sent");
    assert_eq!(terminal.ends(), Some(0));
}

#[test]
fn mistakes_are_said_and_the_prompt_comes_back() {
    let terminal = sandbox().run();
    let shown = terminal.line("SELECT * FROM linode.images.image;");
    assert!(shown.contains("did you mean `images`") && shown.contains("prompt:1:"), "{shown}");
    let shown = terminal.line("\\tming");
    assert!(shown.contains("there is no command `\\tming`") && shown.contains("`\\timing`"), "{shown}");
    assert!(terminal.line("SELECT 1 AS n;").contains("1 row"));
}
