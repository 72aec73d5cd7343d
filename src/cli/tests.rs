use std::path::PathBuf;

use clap::error::ErrorKind as ClapKind;

use super::meant::{ConfigPath, EngineChoices, Source};
use super::*;
use crate::output::{Format, Options};

fn at_terminal() -> Surroundings {
    Surroundings {
        stdin_is_terminal: true,
        stdout_is_terminal: true,
        stderr_is_terminal: true,
        width: Some(100),
        env: Env::empty(),
        config_file: Some("/home/me/.config/skyql/config.toml".into()),
        providers_dir: None,
        history_file: None,
        home: None,
        state_dir: None,
        data_dir: None,
        cache_dir: None,
    }
}

fn meant_in(arguments: &[&str], here: &Surroundings) -> Result<Meant> {
    let arguments = std::iter::once("skyql").chain(arguments.iter().copied()).map(OsString::from);
    Meant::of(args::parse(arguments).unwrap_or_else(|error| panic!("{error}")), here)
}

fn meant(arguments: &[&str]) -> Meant {
    meant_in(arguments, &at_terminal()).unwrap()
}

fn refused(arguments: &[&str]) -> ClapKind {
    let arguments = std::iter::once("skyql").chain(arguments.iter().copied()).map(OsString::from);
    args::parse(arguments).unwrap_err().kind()
}

fn argument(text: &str) -> Source {
    Source::Argument(text.into())
}

fn file(path: &str) -> Source {
    Source::File(path.into())
}

#[test]
fn statements_come_from_where_they_are() {
    let sandbox = |provider: Option<&str>, port| Action::Sandbox { provider: provider.map(str::to_owned), port };
    let cases: Vec<(&[&str], Action)> = vec![
        (&[], Action::Prompt),
        (&["-q", "--sandbox"], Action::Prompt),
        (&["-c", "SELECT 1"], Action::Run(vec![argument("SELECT 1")])),
        (&["-c", "-- note\nSELECT 1"], Action::Run(vec![argument("-- note\nSELECT 1")])),
        (&["a.sql", "-"], Action::Run(vec![file("a.sql"), Source::Stdin])),
        (
            &["-c", "1", "a.sql", "-c", "2", "b.sql"],
            Action::Run(vec![argument("1"), file("a.sql"), argument("2"), file("b.sql")]),
        ),
        (&["./sandbox"], Action::Run(vec![file("./sandbox")])),
        (&["sandbox"], sandbox(None, 0)),
        (&["sandbox", "--provider", "linode", "--port", "4011", "--seed", "3"], sandbox(Some("linode"), 4011)),
        (&["--seed", "3", "sandbox"], sandbox(None, 0)),
    ];
    for (arguments, action) in cases {
        assert_eq!(meant(arguments).action, action, "{arguments:?}");
    }
    let piped = Surroundings { stdin_is_terminal: false, ..at_terminal() };
    assert_eq!(meant_in(&[], &piped).unwrap().action, Action::Run(vec![Source::Stdin]));
    assert_eq!(meant_in(&["-c", "1"], &piped).unwrap().action, Action::Run(vec![argument("1")]));
}

#[test]
fn rows_are_written_as_asked_for() {
    let usual = Options { format: Format::Table, header: true, width: Some(100), color: true, null: "NULL".to_owned() };
    assert_eq!(meant(&[]).output, usual);
    let csv = meant(&["-o", "csv", "--no-header"]).output;
    assert_eq!(csv, Options { format: Format::Csv, header: false, ..usual.clone() });
    let to_file = meant(&["--outfile", "x.txt"]);
    assert_eq!(to_file.output, Options { width: None, color: false, ..usual });
    assert_eq!(to_file.outfile, Some(PathBuf::from("x.txt")));
    assert!(to_file.color_messages);
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let with = |name: &str, value: &str| Surroundings { env: Env::empty().with(name, value), ..at_terminal() };
    let piped = Surroundings { stdout_is_terminal: false, width: None, ..at_terminal() };
    let cases: Vec<(&[&str], Surroundings, (bool, bool))> = vec![
        (&[], at_terminal(), (true, true)),
        (&[], piped.clone(), (false, true)),
        (&["--color", "always"], piped, (true, true)),
        (&["--color=never"], at_terminal(), (false, false)),
        (&[], with("NO_COLOR", "1"), (false, false)),
        (&[], with("NO_COLOR", ""), (true, true)),
        (&["--color", "always"], with("NO_COLOR", "1"), (true, true)),
        (&[], with("TERM", "dumb"), (false, false)),
        (&[], with("TERM", "xterm"), (true, true)),
    ];
    for (arguments, here, wanted) in cases {
        let meant = meant_in(arguments, &here).unwrap();
        assert_eq!((meant.output.color, meant.color_messages), wanted, "{arguments:?} {here:?}");
    }
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_usual_places() {
    let usual = ConfigPath::Usual("/home/me/.config/skyql/config.toml".into());
    assert_eq!(meant(&[]).engine, EngineChoices { config: Some(usual), ..EngineChoices::default() });
    let env = Env::empty().with("SKYQL_CONFIG", "/env.toml").with("SKYQL_PROVIDERS", "/one:/two");
    let here = Surroundings { env, providers_dir: Some("/home/me/providers".into()), ..at_terminal() };
    let from_env = meant_in(&[], &here).unwrap().engine;
    assert_eq!(from_env.config, Some(ConfigPath::Named("/env.toml".into())));
    let flags =
        meant_in(&["--config", "/flag.toml", "--providers", "/zero", "--providers", "/half"], &here).unwrap().engine;
    assert_eq!(flags.config, Some(ConfigPath::Named("/flag.toml".into())));
    if cfg!(unix) {
        assert_eq!(flags.providers_dirs, ["/zero", "/half", "/one", "/two"].map(PathBuf::from));
    }
    assert_eq!(flags.usual_providers_dir, Some("/home/me/providers".into()));
}

#[test]
fn pairs_are_split_at_the_first_sign() {
    let arguments = [
        "--base-url",
        "linode=http://h/?a=b",
        "--allow-origin",
        "do=https://x",
        "--set",
        "max_calls=5",
        "--set",
        "schema=strict",
    ];
    let engine = meant(&arguments).engine;
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(engine.base_urls, [pair("linode", "http://h/?a=b")]);
    assert_eq!(engine.allow_origins, [pair("do", "https://x")]);
    assert_eq!(engine.settings, [pair("max_calls", "5"), pair("schema", "strict")]);
    assert_eq!(meant(&["--force"]).engine.settings, [pair("on_existing", "replace")]);
}

#[test]
fn the_sandbox_has_a_seed() {
    assert_eq!(meant(&[]).engine.sandbox, None);
    assert_eq!(meant(&["--sandbox"]).engine.sandbox, Some(1));
    assert_eq!(meant(&["--sandbox", "--seed", "7"]).engine.sandbox, Some(7));
    assert_eq!(meant(&["sandbox"]).engine.sandbox, Some(1));
    assert_eq!(meant(&["sandbox", "--seed", "7"]).engine.sandbox, Some(7));
    let error = meant_in(&["--seed", "7"], &at_terminal()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.hint_text(), Some("add `--sandbox`"));
    let error = meant_in(&["--state", "s.json"], &at_terminal()).unwrap_err();
    assert_eq!((error.kind(), error.hint_text()), (ErrorKind::InvalidArgument, Some("add `--sandbox`")));
    for arguments in [&["--sandbox", "--state", "s.json"][..], &["sandbox", "--state", "s.json"]] {
        assert_eq!(meant(arguments).engine.sandbox_state, Some("s.json".into()));
    }
    let error = meant_in(&["-c", "SELECT 1", "sandbox"], &at_terminal()).unwrap_err();
    assert!(error.message().contains("runs no statements"));
}

#[test]
fn notes_are_quiet_normal_or_verbose() {
    for (arguments, notes) in [
        (&[][..], Notes::Normal),
        (&["-q"], Notes::Quiet),
        (&["--verbose"], Notes::Verbose),
        (&["sandbox", "-v"], Notes::Verbose),
    ] {
        assert_eq!(meant(arguments).notes, notes);
    }
}

#[test]
fn progress_is_for_a_terminal() {
    assert!(meant(&[]).progress && !meant(&["-q"]).progress);
    let piped = Surroundings { stderr_is_terminal: false, ..at_terminal() };
    assert!(!meant_in(&[], &piped).unwrap().progress);
    let dumb = Surroundings { env: Env::empty().with("TERM", "dumb"), ..at_terminal() };
    assert!(!meant_in(&[], &dumb).unwrap().progress);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases: [(&[&str], ClapKind); 9] = [
        (&["--colour"], ClapKind::UnknownArgument),
        (&["-o", "xml"], ClapKind::InvalidValue),
        (&["-q", "-v"], ClapKind::ArgumentConflict),
        (&["--set", "max_calls"], ClapKind::ValueValidation),
        (&["--base-url", "=http://h"], ClapKind::ValueValidation),
        (&["sandbox", "--port", "70000"], ClapKind::ValueValidation),
        (&["--port", "1"], ClapKind::UnknownArgument),
        (&["--help"], ClapKind::DisplayHelp),
        (&["--version"], ClapKind::DisplayVersion),
    ];
    for (arguments, kind) in cases {
        assert_eq!(refused(arguments), kind, "{arguments:?}");
    }
}
