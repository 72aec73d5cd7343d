//! What `provider import` asks before it writes over something, and what each answer does.

use std::path::Path;

use super::{SCHEMAS, SHOP};
use crate::support::terminal::{Start, Terminal};

fn import(name: &str, out: &Path) -> Terminal {
    let arguments = ["provider", "import", "openapi.yaml", "--name", name, "--out", out.to_str().unwrap(), "-o", "csv"];
    let document = SHOP.replace("SERVER", "https://shop.test");
    Start::skyql(&arguments).size(60, 200).file("openapi.yaml", &document).file("schemas.yaml", SCHEMAS).run()
}

#[test]
fn a_provider_that_is_there_is_replaced_only_after_a_yes() {
    let out = tempfile::tempdir().unwrap();
    assert_eq!(import("acme", out.path()).ends(), Some(0), "a new one is written unasked");
    let home = out.path().join("acme/v1.0.0");
    let (service, overlay) = (home.join("services/parcels.yaml"), home.join("overlay/parcels.yaml"));
    let generated = std::fs::read(&service).unwrap();
    std::fs::write(&service, "# changed\n").unwrap();
    std::fs::write(&overlay, "describe: {weight: Weight in kg}\n").unwrap();
    for answer in ["\r", "n\r", "what\r"] {
        let terminal = import("acme", out.path());
        terminal.shows("overlays stay. Write it? [y/N]").keys(answer).shows("nothing was written");
        assert_ne!(terminal.ends(), Some(0), "{answer:?}");
        assert_eq!(std::fs::read_to_string(&service).unwrap(), "# changed\n", "{answer:?}");
    }
    for answer in ["y\r", "YES\r"] {
        std::fs::write(&service, "# changed\n").unwrap();
        let terminal = import("acme", out.path());
        terminal.shows("Write it? [y/N]").keys(answer);
        assert_eq!(terminal.ends(), Some(0), "{answer:?}");
        let text = std::fs::read_to_string(&service).unwrap();
        assert!(text.contains("Weight in kg") && text.len() > generated.len(), "{answer:?}: {text}");
        assert_eq!(std::fs::read_to_string(&overlay).unwrap(), "describe: {weight: Weight in kg}\n");
    }
}

#[test]
fn a_shipped_name_is_taken_only_after_a_yes() {
    let out = tempfile::tempdir().unwrap();
    let terminal = import("linode", out.path());
    terminal.shows("this one would take its place. Write it? [y/N]").keys("\r").shows("nothing was written");
    assert_ne!(terminal.ends(), Some(0));
    assert!(!out.path().join("linode").exists());
    let terminal = import("linode", out.path());
    terminal.shows("Write it? [y/N]").keys("y\r");
    assert_eq!(terminal.ends(), Some(0));
    assert!(out.path().join("linode/v1.0.0/services/parcels.yaml").is_file());
}
