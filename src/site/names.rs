//! Names of files and places that are safe everywhere, and no two of them the same.

use std::collections::BTreeSet;

/// Long enough for any name that people read, short enough for any file system.
const LONGEST: usize = 64;

/// What Windows takes for a device, with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The names of one directory or page.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// None of these will be given away.
    pub(super) fn without(reserved: &[&str]) -> Self {
        Self { taken: reserved.iter().map(|name| (*name).to_owned()).collect() }
    }

    /// A name like `name` that nobody has yet: of `a-z 0-9 _ -`, and not empty.
    pub(super) fn claim(&mut self, name: &str) -> String {
        let mut plain = String::new();
        for c in name.chars().take(LONGEST) {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_alphanumeric() || c == '_' => plain.push(c),
                _ if plain.ends_with('-') => {}
                _ => plain.push('-'),
            }
        }
        let plain = plain.trim_matches('-');
        let is_device = DEVICES.contains(&plain)
            || ["com", "lpt"].iter().any(|port| {
                plain
                    .strip_prefix(port)
                    .is_some_and(|rest| rest.len() == 1 && rest.starts_with(|c: char| c.is_ascii_digit()))
            });
        let base = match plain {
            "" => "unnamed".to_owned(),
            device if is_device => format!("{device}_"),
            plain => plain.to_owned(),
        };
        let mut claimed = base.clone();
        let mut number = 1;
        while !self.taken.insert(claimed.clone()) {
            number += 1;
            claimed = format!("{base}-{number}");
        }
        claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_no_two_are_the_same() {
        let mut names = Names::without(&["index"]);
        let cases = [
            ("images", "images"),
            ("Images", "images-2"),
            ("images-2", "images-2-2"),
            ("index", "index-2"),
            ("../../etc/passwd", "etc-passwd"),
            ("..", "unnamed"),
            ("", "unnamed-2"),
            ("🚀", "unnamed-3"),
            ("a.b", "a-b"),
            ("a b", "a-b-2"),
            ("</script>", "script"),
            ("NUL", "nul_"),
            ("com1", "com1_"),
            ("com10", "com10"),
            ("größe", "gr-e"),
        ];
        for (name, wanted) in cases {
            assert_eq!(names.claim(name), wanted, "{name}");
        }
        assert_eq!(names.claim(&"x".repeat(500)).len(), LONGEST);
    }
}
