//! Backslash commands, the pager and the editor.

use super::{sandbox, steady};

#[test]
fn what_there_is_is_described() {
    let terminal = sandbox().size(140, 120).run();
    assert!(terminal.line("\\dp lin").contains("linode"));
    assert!(terminal.line("\\d linode").contains("volumes"));
    assert!(terminal.line("\\d linode.domains").contains("records"));
    terminal.line("\\pset pager off");
    let shown = terminal.line("\\d linode.images.images.get_image");
    assert!(shown.contains("imageId") && shown.contains("input_required"), "{shown}");
    let shown = terminal.line("\\d linode.images.imags");
    assert!(shown.contains("did you mean `images`?"), "{shown}");
    assert!(terminal.line("\\df json_get_st").contains("json_get_str"));
    let shown = terminal.line("\\d a.b.c.d.e");
    assert!(shown.contains("too many parts"), "{shown}");
}

#[test]
fn rows_look_as_they_are_wanted() {
    let terminal = sandbox().run();
    terminal.line("\\x");
    terminal.line("SELECT 1 AS one, NULL AS nothing;");
    terminal.line("\\pset null (none)");
    terminal.line("SELECT NULL AS nothing;");
    terminal.line("\\x off");
    terminal.line("\\pset format csv");
    terminal.line("SELECT 1 AS one, 'a,b' AS two;");
    insta::assert_snapshot!("looks", steady(&terminal.text()));
    terminal.line("\\timing");
    let shown = terminal.line("SET max_calls = 7;");
    assert!(shown.contains("timing is on") && shown.contains("Time: "), "{shown}");
    let shown = terminal.line("\\set max_calls");
    assert!(shown.lines().any(|line| line == "7"), "{shown}");
    assert!(terminal.line("\\set max_cals 5").contains("did you mean `max_calls`"));
    assert!(terminal.line("\\?").contains("\\watch [SECONDS]"));
}

#[test]
fn rows_go_to_a_file_and_statements_come_from_one() {
    let terminal = sandbox()
        .file("two.sql", "SELECT 1 AS a;\nSELECT 2 AS b;\n")
        .file("bad.sql", "SELECT 1 AS a;\n  SELEC 2;\n")
        .run();
    terminal.line("\\pset format csv");
    terminal.line("\\o rows.csv");
    terminal.line("\\i two.sql");
    let shown = terminal.line("\\o");
    assert!(!shown.lines().any(|line| line == "a"), "{shown}");
    assert_eq!(std::fs::read_to_string(terminal.home().join("rows.csv")).unwrap(), "a\n1\n\nb\n2\n");
    let shown = terminal.line("\\i bad.sql");
    assert!(shown.contains("bad.sql:2:3"), "{shown}");
    assert!(terminal.line("\\i no-such.sql").contains("`no-such.sql` cannot be read"));
    assert!(terminal.line("\\o no/such/dir").contains("the output file `no/such/dir` cannot be created"));
}

#[test]
fn long_output_goes_to_the_pager() {
    let script = "cat > paged.txt; printf 'in the pager'; read answer < /dev/tty";
    let terminal = sandbox().with_programs().file("pager.sh", script).env("PAGER", "sh pager.sh").run();
    let long = "SELECT * FROM generate_series(1, 100) AS t(n);";
    terminal.prompt().typed(long).keys("\r").shows("in the pager").keys("\r").shows("100 rows").prompt();
    let paged = std::fs::read_to_string(terminal.home().join("paged.txt")).unwrap();
    assert!(paged.contains("│ 100 │") && paged.contains('└'), "{paged}");
    // What fits the screen needs none.
    assert!(terminal.line("SELECT 5 AS n;").contains("│ 5 │"));
    terminal.line("\\pset pager off");
    let shown = terminal.line(long);
    assert!(shown.contains("│ 100 │"), "{shown}");
}

#[test]
fn a_pager_that_is_left_early_ends_the_statement_and_no_more() {
    let terminal =
        sandbox().with_programs().file("pager.sh", "head -n 3 > paged.txt").env("PAGER", "sh pager.sh").run();
    terminal.line("SELECT * FROM generate_series(1, 1000000) AS t(n);");
    assert!(terminal.text().contains("the pager was left before the last row"), "{}", terminal.text());
    assert!(terminal.line("SELECT 5 AS n;").contains("│ 5 │"));
    let missing = sandbox().with_programs().env("PAGER", "no-such-pager").run();
    missing.prompt();
    assert!(missing.text().contains("there is no program `no-such-pager`"), "{}", missing.text());
}

#[test]
fn the_editor_gives_the_next_input() {
    let editor = "printf 'SELECT 6 * 7 AS edited;' > \"$1\"";
    let terminal = sandbox().with_programs().file("editor.sh", editor).env("EDITOR", "sh editor.sh").run();
    terminal.prompt().typed("\\e").keys("\r").shows("> SELECT 6 * 7 AS edited;").keys("\r").shows("42").prompt();
    let failing = sandbox().with_programs().env("EDITOR", "false").run();
    assert!(failing.line("\\e").contains("the editor `false` failed"));
}
