//! OpenAPI schemas, as far as SQL needs them: types, the properties of an object, the items of an array.
//!
//! *Owns*: following `$ref`, merging `allOf`, uniting `oneOf` and `anyOf`.
//! *Does not own*: what the schema is for (a row, a body, a parameter).
//! *Invariants*: recursive schemas end; a property whose type differs between branches is [`ValueType::Any`].

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use serde_json::Value;

use super::document::{Document, Node};
use super::model::{Column, ValueType};

/// Levels of `allOf`, `oneOf` and `anyOf` inside each other that are looked at. Real documents stay below 6.
const MAX_BRANCHES_DEEP: usize = 32;

/// A schema: one node, or several that all describe the same value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema<'d> {
    nodes: Vec<&'d Node>,
    /// Whether the nodes are alternatives (`oneOf` branches) and not constraints that hold together.
    union: bool,
    /// The schema whose `discriminator` this property is: its value says which of the alternatives an object is.
    tells_apart: Option<&'d Node>,
}

impl<'d> Schema<'d> {
    /// The schema a node describes.
    pub(crate) fn of(node: &'d Node) -> Self {
        Self { nodes: vec![node], ..Self::default() }
    }

    /// Whether nothing is known of it.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.tells_apart.is_none()
    }
}

/// What an object may hold.
#[derive(Debug, Default)]
pub(crate) struct ObjectSchema<'d> {
    /// The named properties, in the document's order.
    pub(crate) properties: IndexMap<&'d str, Schema<'d>>,
    /// Properties that are always there.
    pub(crate) required: HashSet<&'d str>,
    /// Other properties.
    pub(crate) additional: Additional<'d>,
}

/// What `additionalProperties` says.
#[derive(Debug, Default, Clone)]
pub(crate) enum Additional<'d> {
    /// Nothing.
    #[default]
    Unsaid,
    /// There are none.
    No,
    /// There may be some.
    Yes,
    /// There may be some, of this schema.
    Of(Schema<'d>),
}

/// The schemas of one document.
pub(crate) struct Schemas<'d> {
    pub(crate) document: &'d Document,
    types: RefCell<HashMap<*const Node, Option<ValueType>>>,
}

impl<'d> Schemas<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Self { document, types: RefCell::default() }
    }

    /// The type of a schema's values; `None` when the schema does not say.
    pub(crate) fn value_type(&self, schema: &Schema<'d>) -> Option<ValueType> {
        let types = schema.nodes.iter().map(|node| self.node_type(node, 0));
        let found = if schema.union { unite(types) } else { types.flatten().next() };
        found.or_else(|| schema.tells_apart.map(|_| ValueType::Text))
    }

    fn node_type(&self, node: &'d Node, depth: usize) -> Option<ValueType> {
        let node = self.document.follow(node)?;
        let key = std::ptr::from_ref(node);
        if let Some(known) = self.types.borrow().get(&key) {
            return *known;
        }
        if depth > MAX_BRANCHES_DEEP {
            return None;
        }
        // A schema that leads back to itself says nothing more by that.
        self.types.borrow_mut().insert(key, None);
        let found = self.node_type_uncached(node, depth);
        self.types.borrow_mut().insert(key, found);
        found
    }

    fn node_type_uncached(&self, node: &'d Node, depth: usize) -> Option<ValueType> {
        let format = node.text_of("format");
        match node.get("type") {
            Some(Node::Text(name)) => {
                if let Some(ty) = named_type(name, format) {
                    return Some(ty);
                }
            }
            // OpenAPI 3.1: `type: [string, "null"]`.
            Some(Node::List(names)) => {
                let types = names.iter().filter_map(Node::text).map(|name| named_type(name, format));
                if let Some(ty) = unite(types) {
                    return Some(ty);
                }
            }
            _ => {}
        }
        if node.get("properties").is_some_and(Node::is_map)
            || node.get("additionalProperties").is_some_and(Node::is_map)
        {
            return Some(ValueType::Object);
        }
        if node.get("items").is_some() {
            return Some(ValueType::Array);
        }
        let all = node.get("allOf").map_or(&[][..], Node::items);
        if let Some(ty) = all.iter().find_map(|member| self.node_type(member, depth + 1)) {
            return Some(ty);
        }
        let branches = branches(node).map(|branch| self.node_type(branch, depth + 1));
        if let Some(ty) = unite(branches) {
            return Some(ty);
        }
        let values = node.get("enum").map_or(&[][..], Node::items).iter().chain(node.get("const"));
        unite(values.map(type_of_value))
    }

    /// The properties of a schema, those of its `allOf`, `oneOf` and `anyOf` members included.
    pub(crate) fn object(&self, schema: &Schema<'d>) -> ObjectSchema<'d> {
        let mut object = ObjectSchema::default();
        let mut seen = HashSet::new();
        if schema.union && schema.nodes.len() > 1 {
            self.add_branches(&schema.nodes, 0, &mut seen, &mut object);
        } else {
            for node in &schema.nodes {
                self.add(node, 0, &mut seen, &mut object);
            }
        }
        object
    }

    fn add(&self, node: &'d Node, depth: usize, seen: &mut HashSet<*const Node>, object: &mut ObjectSchema<'d>) {
        let Some(node) = self.document.follow(node) else { return };
        if depth > MAX_BRANCHES_DEEP || !seen.insert(std::ptr::from_ref(node)) {
            return;
        }
        for (name, property) in node.get("properties").into_iter().flat_map(Node::entries) {
            object.properties.entry(name).or_default().nodes.push(property);
        }
        object.required.extend(node.get("required").map_or(&[][..], Node::items).iter().filter_map(Node::text));
        if let (Additional::Unsaid, Some(additional)) = (&object.additional, node.get("additionalProperties")) {
            object.additional = match additional {
                Node::Bool(false) => Additional::No,
                Node::Map(map) if !map.is_empty() => Additional::Of(Schema::of(additional)),
                _ => Additional::Yes,
            };
        }
        for member in node.get("allOf").map_or(&[][..], Node::items) {
            self.add(member, depth + 1, seen, object);
        }
        for key in ["oneOf", "anyOf"] {
            let branches: Vec<&Node> = node.get(key).map_or(&[][..], Node::items).iter().collect();
            self.add_branches(&branches, depth + 1, seen, object);
        }
        // An extension is no property: some documents name their own there.
        let told_by = node.at(&["discriminator", "propertyName"]).and_then(Node::text);
        if let Some(name) = told_by.filter(|name| !name.starts_with("x-")) {
            object.properties.entry(name).or_default().tells_apart.get_or_insert(node);
        }
    }

    /// Unites alternatives: what only one of them has may be there, what all require is required.
    fn add_branches(
        &self,
        branches: &[&'d Node],
        depth: usize,
        seen: &mut HashSet<*const Node>,
        object: &mut ObjectSchema<'d>,
    ) {
        let own: HashSet<&str> = object.properties.keys().copied().collect();
        let mut required: Option<HashSet<&'d str>> = None;
        for branch in branches {
            let mut one = ObjectSchema::default();
            self.add(branch, depth, seen, &mut one);
            for (name, property) in one.properties {
                // A schema's own properties win over its branches'.
                if own.contains(name) {
                    continue;
                }
                match object.properties.entry(name) {
                    indexmap::map::Entry::Vacant(entry) => {
                        entry.insert(property);
                    }
                    indexmap::map::Entry::Occupied(mut entry) => {
                        let united = entry.get_mut();
                        united.nodes.extend(property.nodes);
                        united.union = true;
                        united.tells_apart = united.tells_apart.or(property.tells_apart);
                    }
                }
            }
            if matches!(object.additional, Additional::Unsaid) {
                object.additional = one.additional;
            }
            required = Some(
                required
                    .map_or_else(|| one.required.clone(), |known| known.intersection(&one.required).copied().collect()),
            );
        }
        object.required.extend(required.unwrap_or_default());
    }

    /// The schema of an array's items; empty when not known.
    pub(crate) fn items(&self, schema: &Schema<'d>) -> Schema<'d> {
        let mut found = Schema { union: schema.union, ..Schema::default() };
        let mut seen = HashSet::new();
        for node in &schema.nodes {
            self.add_items(node, 0, &mut seen, &mut found);
        }
        found
    }

    fn add_items(&self, node: &'d Node, depth: usize, seen: &mut HashSet<*const Node>, found: &mut Schema<'d>) {
        let Some(node) = self.document.follow(node) else { return };
        if depth > MAX_BRANCHES_DEEP || !seen.insert(std::ptr::from_ref(node)) {
            return;
        }
        found.nodes.extend(node.get("items").filter(|items| items.is_map()));
        for member in node.get("allOf").map_or(&[][..], Node::items) {
            self.add_items(member, depth + 1, seen, found);
        }
        for branch in branches(node) {
            found.union = true;
            self.add_items(branch, depth + 1, seen, found);
        }
    }

    /// The value of a key such as `description` or `enum`: the schema's own, else that of a member it is made of, else
    /// the one written beside its `$ref`. Of alternatives, only what all of them say counts, except for texts: what one
    /// forbids may be right for another.
    pub(super) fn facet(&self, schema: &Schema<'d>, key: &str) -> Option<&'d Node> {
        let mut found = schema.nodes.iter().map(|node| self.node_facet(node, key, 0));
        if !schema.union || key == "description" {
            return found.flatten().next();
        }
        let first = found.next()??;
        found.all(|other| other == Some(first)).then_some(first)
    }

    fn node_facet(&self, node: &'d Node, key: &str, depth: usize) -> Option<&'d Node> {
        if depth > 8 {
            return None;
        }
        let within = |target: &'d Node| {
            let members = target.get("allOf").map_or(&[][..], Node::items);
            let sole = sole_branch(target);
            target
                .get(key)
                .or_else(|| members.iter().chain(sole).find_map(|member| self.node_facet(member, key, depth + 1)))
        };
        self.document.follow(node).and_then(within).or_else(|| node.get(key))
    }

    /// Whether any of the keys says `true`; of alternatives, all must say it, but one secret makes all secret.
    pub(super) fn says(&self, schema: &Schema<'d>, keys: &[&str]) -> bool {
        let is_true = |node: Option<&Node>| node.and_then(Node::bool) == Some(true);
        keys.iter().any(|key| {
            let one_is_enough = key.contains("secret");
            is_true(self.facet(schema, key))
                || (one_is_enough && schema.nodes.iter().any(|node| is_true(self.node_facet(node, key, 0))))
        })
    }

    /// The values of an enumeration; of alternatives, those of all, unless one takes any value. A `discriminator` without an
    /// enumeration has the names of the alternatives.
    pub(super) fn values(&self, schema: &Schema<'d>) -> Vec<Value> {
        let lists: Option<Vec<&Node>> = if schema.union {
            schema.nodes.iter().map(|node| self.node_facet(node, "enum", 0)).collect()
        } else {
            self.facet(schema, "enum").map(|list| vec![list])
        };
        let lists = lists.unwrap_or_default();
        let mut seen = HashSet::new();
        let values = lists.into_iter().flat_map(Node::items).filter(|value| !matches!(value, Node::Null));
        let values: Vec<Value> = values.map(Node::to_json).filter(|value| seen.insert(value.to_string())).collect();
        match schema.tells_apart {
            Some(holder) if values.is_empty() => names_of_branches(holder),
            _ => values,
        }
    }

    /// The columns of a row that is one such object.
    pub(super) fn columns(&self, object: &ObjectSchema<'d>) -> Vec<Column> {
        let readable = object.properties.iter().filter(|(_, schema)| !self.says(schema, &["writeOnly"]));
        readable.map(|(name, schema)| self.column(name, schema)).collect()
    }

    /// One column.
    pub(super) fn column(&self, name: &str, schema: &Schema<'d>) -> Column {
        Column {
            name: name.to_owned(),
            ty: self.value_type(schema).unwrap_or(ValueType::Any),
            format: self.facet(schema, "format").and_then(Node::text).map(str::to_owned),
            description: one_line(self.facet(schema, "description")),
            values: self.values(schema),
            secret: self.says(schema, &["secret", "x-skyql-secret"]),
            source: None,
        }
    }
}

/// The values of a discriminator: the names of its `mapping`, and of branches that it does not map the names of their
/// schemas (OpenAPI 3.0.3, 4.7.25); none where a branch has neither.
fn names_of_branches(holder: &Node) -> Vec<Value> {
    let schema = |reference: &str| reference.rsplit('/').next().unwrap_or_default().to_owned();
    let mapped: Vec<(&str, String)> = holder
        .at(&["discriminator", "mapping"])
        .into_iter()
        .flat_map(Node::entries)
        .map(|(name, target)| (name, target.text().map(schema).unwrap_or_default()))
        .collect();
    let mut names: Vec<String> = mapped.iter().map(|(name, _)| (*name).to_owned()).collect();
    for branch in branches(holder).filter(|branch| branch.text_of("type") != Some("null")) {
        let Some(name) = branch.text_of("$ref").map(schema) else { return Vec::new() };
        if !mapped.iter().any(|(_, target)| *target == name) {
            names.push(name);
        }
    }
    names.into_iter().map(Value::String).collect()
}

/// The `oneOf` and `anyOf` members.
fn branches(node: &Node) -> impl Iterator<Item = &Node> {
    ["oneOf", "anyOf"].into_iter().filter_map(|key| node.get(key)).flat_map(Node::items)
}

/// The one branch that is not `null`, where there is just one.
fn sole_branch(node: &Node) -> Option<&Node> {
    let mut real = branches(node).filter(|branch| branch.text_of("type") != Some("null"));
    let first = real.next();
    if real.next().is_some() { None } else { first }
}

fn named_type(name: &str, format: Option<&str>) -> Option<ValueType> {
    Some(match name {
        "string" if matches!(format, Some("date-time" | "google-datetime" | "datetime")) => ValueType::Timestamp,
        "string" | "file" => ValueType::Text,
        "integer" | "int" => ValueType::Integer,
        "number" | "float" | "double" => ValueType::Number,
        "boolean" | "bool" => ValueType::Boolean,
        "object" => ValueType::Object,
        "array" => ValueType::Array,
        "any" => ValueType::Any,
        _ => return None,
    })
}

fn type_of_value(value: &Node) -> Option<ValueType> {
    match value {
        Node::Null => None,
        Node::Bool(_) => Some(ValueType::Boolean),
        Node::Number(number) if number.is_f64() => Some(ValueType::Number),
        Node::Number(_) => Some(ValueType::Integer),
        Node::Text(_) => Some(ValueType::Text),
        Node::List(_) => Some(ValueType::Array),
        Node::Map(_) => Some(ValueType::Object),
    }
}

/// The type that holds values of all these types; unknown ones do not count.
fn unite(types: impl Iterator<Item = Option<ValueType>>) -> Option<ValueType> {
    types.flatten().reduce(|left, right| match (left, right) {
        (left, right) if left == right => left,
        (ValueType::Integer, ValueType::Number) | (ValueType::Number, ValueType::Integer) => ValueType::Number,
        (ValueType::Text, ValueType::Timestamp) | (ValueType::Timestamp, ValueType::Text) => ValueType::Text,
        _ => ValueType::Any,
    })
}

/// The first paragraph of a description, in one line of at most 300 characters.
pub(super) fn one_line(description: Option<&Node>) -> String {
    let Some(text) = description.and_then(Node::text) else { return String::new() };
    let paragraph = text.trim().split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 300 {
        return line;
    }
    line.chars().take(299).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn with_schema(text: &str, check: impl FnOnce(&Schemas<'_>, &Schema<'_>)) {
        let document = Document::parse(text.as_bytes(), "s.yaml").unwrap();
        let schemas = Schemas::new(&document);
        let schema = Schema::of(document.root.get("x").unwrap());
        check(&schemas, &schema);
    }

    fn type_name(text: &str) -> Option<&'static str> {
        let mut found = None;
        with_schema(&format!("x: {text}\ny: {{type: integer}}\nz: {{$ref: '#/z'}}\n"), |schemas, schema| {
            found = schemas.value_type(schema).map(ValueType::name);
        });
        found
    }

    #[test]
    fn types() {
        for (schema, expected) in [
            ("{type: string}", Some("string")),
            ("{type: [string, 'null']}", Some("string")),
            ("{type: [string, integer]}", Some("any")),
            ("{type: ['null']}", None),
            ("{type: any}", Some("any")),
            ("{properties: {a: {}}}", Some("object")),
            ("{additionalProperties: {type: string}}", Some("object")),
            ("{items: {type: string}}", Some("array")),
            ("{enum: [1, 2]}", Some("integer")),
            ("{enum: [a, null]}", Some("string")),
            ("{const: true}", Some("boolean")),
            ("{}", None),
            ("{$ref: '#/y'}", Some("integer")),
            ("{$ref: '#/y', type: string}", Some("integer")),
            ("{$ref: '#/z'}", None),
            ("{$ref: '#/none'}", None),
            ("{allOf: [{description: a}, {$ref: '#/y'}]}", Some("integer")),
            ("{oneOf: [{type: integer}, {type: number}]}", Some("number")),
            ("{oneOf: [{type: integer}, {type: string}]}", Some("any")),
            ("{anyOf: [{type: string}, {type: 'null'}]}", Some("string")),
            ("{anyOf: [{$ref: '#/x'}, {type: string}]}", Some("string")),
            ("{allOf: [{$ref: '#/x'}]}", None),
        ] {
            assert_eq!(type_name(schema), expected, "{schema}");
        }
        with_schema("x: {type: string, format: date-time}", |schemas, schema| {
            assert_eq!(schemas.value_type(schema), Some(ValueType::Timestamp));
        });
    }

    fn columns(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        with_schema(text, |schemas, schema| {
            let columns = schemas.columns(&schemas.object(schema));
            found = columns.iter().map(|column| format!("{}:{}", column.name, column.ty.name())).collect();
        });
        found
    }

    #[test]
    fn objects_are_merged_and_united() {
        let all_of = "x:\n  properties: {id: {type: integer}}\n  allOf:\n  - {properties: {id: {type: string}, a: {type: string}}}\n\
                      \x20 - {$ref: '#/y'}\ny: {properties: {b: {$ref: '#/y/properties/c'}, c: {type: boolean}}}\n";
        assert_eq!(columns(all_of), ["id:integer", "a:string", "b:boolean", "c:boolean"]);
        let one_of = "x:\n  oneOf:\n  - {properties: {id: {type: integer}, a: {type: string}}}\n\
                      \x20 - {properties: {id: {type: string}, b: {type: string, writeOnly: true}}}\n  - {type: 'null'}\n";
        assert_eq!(columns(one_of), ["id:any", "a:string"]);
        let recursive = "x: {properties: {id: {type: integer}, child: {$ref: '#/x'}, children: {items: {$ref: '#/x'}}}, allOf: [{$ref: '#/x'}]}";
        assert_eq!(columns(recursive), ["id:integer", "child:object", "children:array"]);
    }

    /// The columns with their types and, in brackets, their values.
    fn columns_and_values(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        with_schema(text, |schemas, schema| {
            let columns = schemas.columns(&schemas.object(schema));
            let values = |column: &Column| column.values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
            found = columns.iter().map(|c| format!("{}:{} [{}]", c.name, c.ty.name(), values(c))).collect();
        });
        found
    }

    #[test]
    fn a_discriminator_is_a_column_with_the_names_of_the_branches() {
        let pets =
            "cat: {properties: {lives: {type: integer}, KIND}}\ndog: {properties: {tricks: {type: integer}, KIND}}\n";
        let branches = "oneOf: [{$ref: '#/cat'}, {$ref: '#/dog'}]";
        let mapped = format!(
            "x: {{{branches}, discriminator: {{propertyName: kind, mapping: {{feline: '#/cat', canine: '#/dog'}}}}}}\n"
        );
        let plain = pets.replace(", KIND", "");
        let typed = pets.replace("KIND", "kind: {type: string}");
        let told = pets.replace("KIND", "kind: {enum: [feline]}");
        // No branch has it; it stands in each; one of them says its values.
        assert_eq!(
            columns_and_values(&format!("{mapped}{plain}")),
            ["lives:integer []", "tricks:integer []", "kind:string [feline canine]"]
        );
        assert_eq!(
            columns_and_values(&format!("{mapped}{typed}")),
            ["lives:integer []", "kind:string [feline canine]", "tricks:integer []"]
        );
        assert_eq!(
            columns_and_values(&format!("{mapped}{told}")),
            ["lives:integer []", "kind:string [feline]", "tricks:integer []"]
        );
        // What is not mapped is called as its schema; a branch without a name may be anything.
        let partly = mapped.replace(", canine: '#/dog'", "").replace("oneOf", "anyOf");
        assert_eq!(columns_and_values(&format!("{partly}{plain}")).last().unwrap(), "kind:string [feline dog]");
        let nameless = mapped.replace("{$ref: '#/dog'}", "{properties: {tricks: {}}}");
        assert_eq!(columns_and_values(&format!("{nameless}{plain}")).last().unwrap(), "kind:string []");
        // The base of others, which name it in `allOf`.
        let base = "x: {allOf: [{$ref: '#/base'}, {properties: {lives: {type: integer}}}]}\n\
                    base: {properties: {kind: {type: string}}, discriminator: {propertyName: kind, mapping: {feline: '#/x'}}}\n";
        assert_eq!(columns_and_values(base), ["kind:string [feline]", "lives:integer []"]);
    }

    #[test]
    fn deep_diamonds_end() {
        let mut text = String::from("x: {$ref: '#/n0'}\n");
        for level in 0..400 {
            let next = level + 1;
            let _ = writeln!(text, "n{level}: {{allOf: [{{$ref: '#/n{next}'}}, {{$ref: '#/n{next}'}}]}}");
        }
        text.push_str("n400: {properties: {a: {}}}\n");
        assert!(columns(&text).len() <= 1);
        let chain: Vec<String> = (0..500).map(|n| format!("n{n}: {{$ref: '#/n{}'}}\n", n + 1)).collect();
        let chain = chain.concat();
        assert!(columns(&format!("x: {{$ref: '#/n0'}}\n{chain}n500: {{}}\n")).is_empty());
    }

    #[test]
    fn required_of_branches_is_what_all_require() {
        let text = "x:\n  required: [a]\n  oneOf:\n  - {required: [b, c], properties: {b: {}, c: {}}}\n  - {required: [c, d]}\n  allOf:\n  - {required: [e]}\n";
        with_schema(text, |schemas, schema| {
            let mut required: Vec<&str> = schemas.object(schema).required.into_iter().collect();
            required.sort_unstable();
            assert_eq!(required, ["a", "c", "e"]);
        });
    }

    #[test]
    fn what_one_alternative_forbids_another_may_allow() {
        let text = "x:\n  oneOf:\n\
                    \x20 - {properties: {kind: {enum: [udp]}, key: {type: string, readOnly: true}, size: {maximum: 5}, note: {enum: [a]}, at: {readOnly: true}, pass: {}}}\n\
                    \x20 - {properties: {kind: {enum: [tcp, udp]}, key: {type: string}, size: {maximum: 9}, note: {}, at: {readOnly: true}, pass: {x-skyql-secret: true, description: Said once}}}\n";
        with_schema(text, |schemas, schema| {
            let object = schemas.object(schema);
            let of = |name: &str| &object.properties[name];
            assert_eq!(schemas.values(of("kind")), [Value::from("udp"), Value::from("tcp")]);
            assert!(schemas.values(of("note")).is_empty());
            assert_eq!(["key", "at"].map(|name| schemas.says(of(name), &["readOnly"])), [false, true]);
            assert!(schemas.facet(of("size"), "maximum").is_none());
            let pass = schemas.column("pass", of("pass"));
            assert_eq!((pass.secret, pass.description.as_str()), (true, "Said once"));
        });
    }

    #[test]
    fn facets_of_refs() {
        let text = "x: {properties: {\n  a: {$ref: '#/y', description: beside, readOnly: true},\n  b: {anyOf: [{type: 'null'}, {$ref: '#/y'}]},\n\
                    \x20 c: {type: string, x-skyql-secret: true, description: \"one\\ntwo\\n\\nthree\"}}}\ny: {type: string, enum: [p, q], format: slug}\n";
        with_schema(text, |schemas, schema| {
            let object = schemas.object(schema);
            let columns = schemas.columns(&object);
            assert_eq!(columns[0].description, "beside");
            assert_eq!(columns[0].format.as_deref(), Some("slug"));
            assert!(schemas.says(&object.properties["a"], &["readOnly"]));
            assert_eq!(columns[1].values, [Value::from("p"), Value::from("q")]);
            assert_eq!((columns[2].description.as_str(), columns[2].secret), ("one two", true));
        });
    }
}
