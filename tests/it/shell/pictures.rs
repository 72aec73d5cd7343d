//! The pictures of the documentation: screens of real runs, drawn as SVG. `SKYQL_PICTURES=draw` draws them again.

use std::path::Path;

use super::{TAB, steady};
use crate::support::svg::picture;
use crate::support::terminal::{Start, Terminal};

fn start() -> Terminal {
    Start::skyql(&["--sandbox"]).not_first().size(26, 100).run()
}

#[track_caller]
fn check(name: &str, terminal: &Terminal) {
    let drawn = times_made_equal(&picture(&terminal.screen()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screens").join(format!("{name}.svg"));
    #[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test")]
    let is_asked = std::env::var("SKYQL_PICTURES").is_ok_and(|value| value == "draw");
    if is_asked {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == drawn,
        "`{}` shows another screen than the program; `SKYQL_PICTURES=draw cargo test pictures` draws it again:\n{}",
        path.display(),
        steady(&terminal.text())
    );
}

/// Every time as one, so that a picture is the same on every machine.
fn times_made_equal(svg: &str) -> String {
    let line = |line: &str| {
        let Some((begin, end)) = line.split_once(" ms)") else { return line.to_owned() };
        let begin = begin.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        // The width is that of the text, which is now another.
        let (Some(from), Some(to)) = (begin.find(" textLength"), begin.find('>')) else { return line.to_owned() };
        format!("{}{}40 ms){end}", &begin[..from], &begin[to..])
    };
    svg.lines().map(|one| line(one) + "\n").collect()
}

#[test]
fn a_query() {
    let terminal = start();
    terminal.line(
        "SELECT id, label, vendor, size FROM linode.images.images WHERE is_public = true ORDER BY size DESC LIMIT 5;",
    );
    terminal.line("\\x");
    terminal
        .line("SELECT name, region ->> 'slug' AS region, size_gigabytes FROM digitalocean.compute.volumes LIMIT 2;");
    check("query", &terminal);
}

#[test]
fn completion() {
    let terminal = start();
    terminal.prompt().typed("SELECT * FROM linode.domains.records WHERE ").keys(TAB).until(
        "the names and the line below them",
        |screen| {
            let shown = screen.contents();
            shown.contains("domainId (required)") && shown.matches("records WHERE").count() == 2
        },
    );
    check("completion", &terminal);
}
