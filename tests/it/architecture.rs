//! The rules of `docs/architecture.md` that a machine can check.

#![expect(clippy::unwrap_used, reason = "a failure of the set-up is a failure of the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file under `src`, as its path from there with forward slashes, and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }
    let src = root().join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    files.sort_unstable();
    files
        .iter()
        .map(|path| {
            let name: Vec<_> = path.strip_prefix(&src).unwrap().iter().map(|part| part.to_string_lossy()).collect();
            (name.join("/"), fs::read_to_string(path).unwrap().replace("\r\n", "\n"))
        })
        .collect()
}

/// The room a file belongs to; none for `lib.rs` and `main.rs`.
fn room(file: &str) -> Option<&str> {
    let first = file.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main")).then_some(name)
}

/// What `docs/architecture.md` says.
struct Map {
    /// Each room's floor.
    floors: BTreeMap<String, u32>,
    /// Exceptions on a floor: who may use whom.
    sideways: Vec<(String, String)>,
    /// The rooms that may name the query engine, beside all that are above the highest of them.
    may_name_datafusion: Vec<String>,
}

fn in_backticks(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn map() -> Map {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut floors = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [floor, rooms] = cells.as_slice()
            && let Ok(floor) = floor.parse::<u32>()
        {
            floors.extend(in_backticks(rooms).into_iter().map(|room| (room, floor)));
        }
    }
    // Sentences may go over several lines.
    let prose = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = |start: &str| {
        let from = prose.find(start).unwrap_or_else(|| panic!("docs/architecture.md no longer says `{start} …`"));
        prose[from..].split_once(". ").map_or(&prose[from..], |(sentence, _)| sentence).to_owned()
    };
    let within = sentence("Within floor 0");
    let (users, used) = within.split_once("may use").unwrap();
    let used = in_backticks(used);
    let sideways =
        in_backticks(users).into_iter().flat_map(|user| used.iter().map(move |used| (user.clone(), used.clone())));
    let only = sentence("Only `functions`");
    let (named, _) = only.split_once("what is above").unwrap();
    Map { floors, sideways: sideways.collect(), may_name_datafusion: in_backticks(named) }
}

/// The text without comments and doc comments, whose links may point anywhere.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first names after `crate::` in `code`, groups included, with the line each is on.
fn used_rooms(code: &str) -> Vec<(usize, String)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].chars().next_back().is_some_and(|c| is_name(c) || c == '$') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((line, rest.chars().take_while(|c| is_name(*c)).collect()));
            continue;
        };
        let mut depth = 0;
        let mut name = String::new();
        let mut is_first = true;
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.push((line, std::mem::take(&mut name)));
                    is_first = true;
                    continue;
                }
                _ => {}
            }
            if depth == 0 && is_first {
                if is_name(c) {
                    name.push(c);
                } else if !name.is_empty() {
                    is_first = false;
                }
            }
        }
        if !name.is_empty() {
            found.push((line, name));
        }
    }
    found
}

#[test]
fn groups_are_read_name_by_name() {
    let code = "use crate::error::{Error, Result};\nuse crate::{\n    bind::{a::B, C}, call as x,\n    http,\n};\nlet u = crate::rows::Y; $crate::no; mycrate::no;";
    let found = used_rooms(code);
    let names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["error", "bind", "call", "http", "rows"]);
    assert_eq!(found.last().unwrap().0, 6);
}

#[test]
fn every_room_has_a_floor() {
    let map = map();
    let sources = sources();
    let rooms: Vec<&str> = sources.iter().filter_map(|(file, _)| room(file)).collect();
    assert!(rooms.len() > 50);
    for room in &rooms {
        assert!(map.floors.contains_key(*room), "`{room}` has no floor in docs/architecture.md");
    }
    for room in map.floors.keys() {
        assert!(rooms.contains(&room.as_str()), "docs/architecture.md speaks of `{room}`, which is not there");
    }
}

#[test]
fn imports_point_down() {
    let map = map();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(own) = room(&file) else { continue };
        for (line, used) in used_rooms(&code(&text)) {
            let is_own = used == own;
            let is_allowed = map.sideways.iter().any(|(user, other)| user == own && *other == used);
            let is_below = map.floors.get(&used).is_some_and(|floor| *floor < map.floors[own]);
            // Types that the crate's face gives out again must be named by their room.
            if !is_own && !is_allowed && !is_below {
                wrong.push(format!("src/{file} (about line {line}): `{own}` uses `{used}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_upper_rooms_name_the_query_engine() {
    let map = map();
    let top = map.may_name_datafusion.iter().map(|room| map.floors[room]).max().unwrap();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(own) = room(&file) else { continue };
        if map.may_name_datafusion.iter().any(|room| room == own) || map.floors[own] > top {
            continue;
        }
        wrong.extend(
            code(&text).lines().filter(|line| line.contains("datafusion")).map(|line| format!("src/{file}: {line}")),
        );
    }
    assert!(wrong.is_empty(), "rooms that should not know DataFusion:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_of_a_size_to_be_read() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > 800)
        .map(|(file, lines)| format!("src/{file}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn names_say_what_a_file_is() {
    for (file, _) in sources() {
        for part in file.trim_end_matches(".rs").split('/') {
            assert!(!["utils", "util", "common", "helpers", "helper", "manager", "mod"].contains(&part), "src/{file}");
        }
    }
}

/// One arrow for all: a batch of the query engine is a batch of ours. This compiles or does not.
#[test]
fn there_is_one_arrow() {
    #[expect(unused_qualifications, reason = "two paths to one type are what this is about")]
    fn same(batch: datafusion::arrow::record_batch::RecordBatch) -> arrow::record_batch::RecordBatch {
        batch
    }
    let batch = arrow::record_batch::RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    assert_eq!(same(batch).num_columns(), 0);
}
