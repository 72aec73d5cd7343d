//! An [`ItemPath`] over a JSON tree: for the small trees of error answers.

use serde_json::Value;

use super::path::{ItemPath, PathStep};

impl ItemPath {
    /// The values at the path, in the tree's order; wildcards give several.
    pub fn select<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let mut here = vec![root];
        for step in self.steps() {
            here = here
                .into_iter()
                .flat_map(|value| -> Vec<&'a Value> {
                    match (step, value) {
                        (PathStep::Name(key), Value::Object(members)) => members.get(key).into_iter().collect(),
                        (PathStep::Every, Value::Array(items)) => items.iter().collect(),
                        (PathStep::Every, Value::Object(members)) => members.values().collect(),
                        _ => Vec::new(),
                    }
                })
                .collect();
        }
        here
    }

    /// The one value at a path without wildcards, to change.
    pub fn only_mut<'a>(&self, root: &'a mut Value) -> Option<&'a mut Value> {
        self.steps().iter().try_fold(root, |value, step| match step {
            PathStep::Name(key) => value.get_mut(key),
            PathStep::Every => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_wildcards() {
        let tree = json!({"errors": [{"reason": "a"}, {"reason": "b"}, {"other": 1}]});
        let found = |path: &str| ItemPath::parse(path).unwrap().select(&tree).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(found("$.errors[*].reason"), [json!("a"), json!("b")]);
        assert_eq!(found("$.absent"), Vec::<Value>::new());
        assert_eq!(found("$"), std::slice::from_ref(&tree));
    }

    #[test]
    fn one_value_can_be_changed() {
        let mut tree = json!({"image": {"id": 1}});
        *ItemPath::parse("$.image.id").unwrap().only_mut(&mut tree).unwrap() = json!(2);
        assert_eq!(tree, json!({"image": {"id": 2}}));
        for path in ["$.other", "$.*", "$.image.id.more"] {
            assert!(ItemPath::parse(path).unwrap().only_mut(&mut tree).is_none(), "{path}");
        }
        *ItemPath::root().only_mut(&mut tree).unwrap() = json!(3);
        assert_eq!(tree, json!(3));
    }
}
